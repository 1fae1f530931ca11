"""The scenes, by what they are about."""
