"""Data sets that the service fetches itself: from https, object storage and databases, as durable jobs."""
