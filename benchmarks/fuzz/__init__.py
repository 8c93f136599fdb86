"""Fuzzing of everything that is read from outside."""
