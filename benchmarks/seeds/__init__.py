"""How much the scores of a shipped student depend on the seed of its training."""
