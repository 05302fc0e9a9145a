"""Verify and run a Pynomaly model artefact."""
