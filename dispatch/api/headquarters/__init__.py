"""Temporary headquarters: opened above others by the city, and stood down with an owner for all they had."""
