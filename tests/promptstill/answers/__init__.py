"""Tests of promptstill/answers."""
