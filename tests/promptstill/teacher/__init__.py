"""Tests of promptstill/teacher."""
