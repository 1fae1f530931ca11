"""Checklist: what must not be forgotten about an incident of a category (flow F15), ticked off item by item."""
