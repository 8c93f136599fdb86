"""Training speed: the stage's loop against the loop that a user would write with transformers and peft."""
