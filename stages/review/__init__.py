"""review: which rows a person should look at first, and how good the kept labels are."""
