"""The split of a million rows, and a peer that splits groups by label."""
