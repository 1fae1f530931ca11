"""Order: a command with authority, area and expiry, that each of its addressees has to acknowledge."""
