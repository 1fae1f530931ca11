"""How any request is read and any answer written: limits, versions, repeats, cursors, freshness, traces."""
