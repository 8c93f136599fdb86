"""How long the filters take, and how much memory the stage takes."""
