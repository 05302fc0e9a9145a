"""The payloads that Pynomaly's services exchange."""
