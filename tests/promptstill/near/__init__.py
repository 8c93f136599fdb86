"""Tests of promptstill/near."""
