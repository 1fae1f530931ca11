"""The one ordered log, the key vault, and the tables of the edges: the only package that speaks to PostgreSQL."""
