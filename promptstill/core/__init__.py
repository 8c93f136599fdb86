"""Files, paths, settings, SQLite and counts of rows: what shapes every out."""
