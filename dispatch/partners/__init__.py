"""Partner agencies over NATS: each has its own account, its own numbered feed, and its own command subjects."""
