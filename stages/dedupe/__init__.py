"""Kept rows in, near-duplicate groups and one representative of each out."""
