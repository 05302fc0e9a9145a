"""The payloads that Pynomaly's services exchange, by noun. Contracts only grow: see tests/golden."""
