"""Watch: eyes kept open for somebody who is lost, across centers, for a purpose and a time (F7)."""
