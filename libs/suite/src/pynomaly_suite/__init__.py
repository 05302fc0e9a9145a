"""The Pynomaly services and their PostgreSQL on one machine."""
