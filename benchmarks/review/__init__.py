"""How fast the review page shows the next row of a large queue."""
