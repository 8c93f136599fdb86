"""Adapter, test rows and golden cases in; scores of student, base, teacher and baselines out."""
