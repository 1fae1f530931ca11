"""Hand-over: whoever goes off duty names what is open, whoever comes on signs for it."""
