"""What an answer of a task is: schema and rules, the shape of a value, and what a student writes of it."""
