"""Deduplicated rows in; train, validation and test rows that share no origin out, with a leak certificate."""
