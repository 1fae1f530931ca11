"""Planned operations and the situation while they go on."""
