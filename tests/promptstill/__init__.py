"""Tests of promptstill."""
