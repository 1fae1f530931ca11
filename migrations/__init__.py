"""Alembic migrations of the whole database: the log, the vault, the edges, the feeds and the projections."""
