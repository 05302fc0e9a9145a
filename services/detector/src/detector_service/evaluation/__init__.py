"""Scores and verdicts held against labels: figures, how sure they are, thresholds, detectors side by side."""
