"""Student, test rows and golden cases in; scores of all contestants, and the worth of confidence, out.

`contestants` answers all cases, with `baselines`, and measures `speed`. `scores`, `outcomes`, `intervals`
and `metrics` compare the answers with the truth. `calibration`, `cascade` and `confidence` are about the
student's confidence, and `verdict` puts results into words.
"""
