"""Runs of generate and train that are killed again and again: what is lost, and what comes out."""
