"""Operation: planned or long-running work above incidents (F18 to F21)."""
