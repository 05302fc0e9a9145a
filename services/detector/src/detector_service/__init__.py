"""The detector service of Pynomaly."""
