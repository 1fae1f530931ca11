"""Report: what a person said. Kept as it came; every reporter stays, also when incidents merge."""
