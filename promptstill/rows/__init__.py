"""The row: its types, identity and origin, its slices, redaction, and the queue of rows for review."""
