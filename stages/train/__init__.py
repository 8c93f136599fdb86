"""Train and validation rows in, a LoRA adapter with its card out."""
