"""What people look at: one module a screen. A projection is a pure fold; the worker in `dispatch` runs it."""
