"""The dataset service of Pynomaly."""
