"""The city as a whole: its rules, its statistics, its record."""
