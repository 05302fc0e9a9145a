"""kill -9 at seeded instants while clients write, and the account of what was acknowledged."""
