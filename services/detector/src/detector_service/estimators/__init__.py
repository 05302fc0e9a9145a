"""What completes PyOD: detectors that it lacks, or has in a form that a model cannot be made of."""
