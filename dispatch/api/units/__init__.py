"""Units beyond one assignment: diverted, stacked, reserved, standing by."""
