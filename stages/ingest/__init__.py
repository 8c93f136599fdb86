"""Traffic in, rows worth labelling out."""
