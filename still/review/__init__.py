"""`still review`: a page on which people decide the rows of the review queue."""
