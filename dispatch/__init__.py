"""The running system: the only package that touches the world."""
