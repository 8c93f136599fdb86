"""What a person sees: error messages, progress, summaries. Nothing here can reach an out."""
