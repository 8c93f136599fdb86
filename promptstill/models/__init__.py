"""The student: loading it, texts as its tokens without a prompt, and the classifier of n-grams."""
