"""Live boards and queues: one tail a process, each row encoded once."""
