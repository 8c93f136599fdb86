"""Base models by name, and the student: loading, prompting without a prompt, greedy answers."""
