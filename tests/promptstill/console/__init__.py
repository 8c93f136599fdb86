"""Tests of promptstill/console."""
