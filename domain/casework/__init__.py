"""Casework of urban management: file, assign, handle, check, close (CJJ/T 106), one stream a case."""
