"""How much personal data redaction finds, beside the recognisers of Presidio."""
