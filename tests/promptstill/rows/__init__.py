"""Tests of promptstill/rows."""
