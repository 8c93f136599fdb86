"""Tests: they mirror the three floors, and run real servers, databases, DVC and one real student."""
