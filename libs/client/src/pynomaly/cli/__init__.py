"""The `pynomaly` command: one file per resource. What it needs of the SDK loads when it is used."""

from pynomaly.cli.app import main

__all__ = ["main"]
