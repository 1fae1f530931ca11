"""Gateways: what they promise to say, and when they said nothing."""
