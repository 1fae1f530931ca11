"""What runs without anybody asking: reactors that decide, timers that are due, projections that follow."""
