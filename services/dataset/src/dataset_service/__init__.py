"""The dataset service of Pynomaly."""

import os

# Polars reads both when it is imported. Pieces of 2 MiB instead of 16: a 548 MiB file costs 109 MiB of memory, not 340.
os.environ.setdefault("POLARS_CSV_CHUNK_SIZE", str(2 * 1024 * 1024))
os.environ.setdefault("POLARS_NDJSON_CHUNK_SIZE", str(2 * 1024 * 1024))
