"""The timers: one mechanism, and one part for each kind of thing that can be due."""
