"""Samples in, one answer per row out: kept, rejected or sent to review, with all reasons."""
