"""The pipeline: one package a stage, each run by DVC as `python -m stages.<stage> <task>`."""
