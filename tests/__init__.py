"""Tests: they mirror stages/ and tools/, and run real servers, databases, DVC and one real student."""
