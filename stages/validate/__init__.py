"""Samples in, one answer a row out: kept, rejected or sent to review, with all reasons."""
