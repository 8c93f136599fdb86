"""Tests of promptstill/models."""
