"""Near-duplicate pairs: against an oracle, a bare matrix product and peers."""
