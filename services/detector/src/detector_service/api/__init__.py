"""Routes, by noun: parse, one call, return."""
