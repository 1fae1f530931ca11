"""Operators: people in the log, with roles, centers and shifts."""
