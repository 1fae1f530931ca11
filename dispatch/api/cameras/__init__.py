"""The cameras: where they hang, whose they are, what they see."""
