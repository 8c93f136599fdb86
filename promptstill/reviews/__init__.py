"""What people decided about rows."""
