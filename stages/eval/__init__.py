"""Adapter, test rows and golden cases in; what student, base, teacher and baseline are worth out."""
