"""Incident: something that needs an answer. Owned by exactly one center at every position of the log."""
