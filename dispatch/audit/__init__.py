"""What was known, when, and why: replays of screens and the reasons of decisions, from the log alone."""
