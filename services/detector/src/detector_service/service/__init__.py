"""Use cases of the API, by noun."""
