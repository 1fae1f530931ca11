"""Rulebooks as files that people write: read with the line of every fault, compared, tried on what has happened."""
