"""The gateway service of Pynomaly."""
