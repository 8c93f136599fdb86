"""Tests of still."""
