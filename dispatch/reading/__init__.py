"""Reading the rows that people look at: the pool, statements with a time limit, and how far the rows are."""
