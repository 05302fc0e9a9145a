"""The process that computes on rows: `python -m detector_service.child KIND FOLDER MEMORY_LIMIT_MB`."""
