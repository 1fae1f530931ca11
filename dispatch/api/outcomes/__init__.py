"""What came of incidents, and the recordings that are asked for afterwards."""
