"""Alert: what a machine said. A fact kept for ever as it came; not an incident."""
