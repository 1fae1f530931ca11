"""Cases of the urban management."""
