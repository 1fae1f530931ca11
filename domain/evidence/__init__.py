"""Evidence: recordings asked for after the fact, with hash, clock offset and a whole chain of holders (F23)."""
