"""Outcome: what came of an incident, told in cases of other systems and in people; it may be known months later."""
