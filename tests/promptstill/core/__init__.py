"""Tests of promptstill/core."""
