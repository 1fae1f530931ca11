"""Commands to facts: load the streams, let the pure decider decide, record once. One module a noun."""
