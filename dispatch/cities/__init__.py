"""Sample cities: data in folders, turned into commands like anybody else's."""
