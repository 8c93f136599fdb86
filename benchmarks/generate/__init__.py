"""Asking the teacher: against the plain client loop and a peer, over an instant server on loopback."""
