"""Headquarters' orders and the public warnings before them."""
