"""Python SDK and command line of the Pynomaly anomaly-detection platform."""
