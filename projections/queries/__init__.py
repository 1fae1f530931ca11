"""What the screens ask: statements over the read tables, nothing executed here.

Lists are read with one row more than the page: its presence says there is a next page. Cursors are the sort values of
the last row shown; a caller packs them as it likes.
"""
