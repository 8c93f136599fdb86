"""Files, paths, settings, models by name, SQLite and counts of rows: what shapes every out."""
