"""The student: loading it, and texts as its tokens, without a prompt."""
