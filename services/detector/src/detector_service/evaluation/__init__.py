"""Scores and verdicts held against labels: figures, how sure they are, and thresholds."""
