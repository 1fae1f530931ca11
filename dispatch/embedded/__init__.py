"""PostgreSQL and NATS as children of this system, for one machine and for tests.

Real clusters are named by `DATABASE_URL` and `NATS_URL` instead; nothing outside this package and the CLI knows the
difference. See docs/decisions/0003-own-supervisor.md.
"""
