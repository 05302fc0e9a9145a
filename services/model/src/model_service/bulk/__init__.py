"""Rows as Arrow IPC streams and Parquet files, in and out."""
