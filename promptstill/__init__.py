"""What stages and commands are made of: rooms that know nothing of who uses them."""
