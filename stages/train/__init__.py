"""Train and validation rows in, a LoRA adapter out."""
