"""What no client should send, in tables."""
