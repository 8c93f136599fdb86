"""Near-duplicates: texts in, vectors, similar pairs and groups of them out."""
