"""Rulebook: versioned routing, correlation, escalation and response rules. A change is an event like any other."""
