"""report: the model card, the dataset card and one page about a build."""
