"""What every Pynomaly service stands on."""
