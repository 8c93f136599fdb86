"""What several stages need, one concern a module."""
