"""Media types that carry rows and artefacts."""

CSV = "text/csv"
NDJSON = "application/x-ndjson"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
ZIP = "application/zip"
PROBLEM = "application/problem+json"
