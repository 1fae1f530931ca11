"""Incidents: looked at, decided on, with the units that are sent and the checklist that is worked through."""
