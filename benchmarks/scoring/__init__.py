"""Answers of the student against `generate()`."""
