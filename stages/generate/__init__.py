"""Rows in, rows with the teacher's samples out; every answer goes through the journal."""
