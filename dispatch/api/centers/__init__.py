"""Centers, and what they owe each other: hand-overs, aid, watches."""
