"""The stage train against `transformers.Trainer` and peft."""
