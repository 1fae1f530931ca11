"""Where machines send what they saw."""
