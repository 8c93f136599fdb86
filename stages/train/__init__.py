"""Train and validation rows in, a student out: a LoRA adapter, and n-grams where validation prefers them."""
