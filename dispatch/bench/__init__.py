"""Measurements as commands: each prints ours beside the physical ceiling of the same run, never a bare number."""
