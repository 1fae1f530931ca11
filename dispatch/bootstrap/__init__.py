"""The only place where the parts meet their implementations: PostgreSQL, NATS, the clock, ids.

Two processes are wired here. `serving` answers HTTP; `working` folds projections, decides what machines decide and
talks to partners. Any number of each may run: the log's lane, advisory locks and marks keep them from doing things
twice. Both stand on `foundation`. They are apart because a worker that starts again should not read every route of the
API first.
"""
