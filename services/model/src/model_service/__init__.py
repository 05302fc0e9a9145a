"""The model service of Pynomaly."""
