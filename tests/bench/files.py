"""Tables as CSV files, written in pieces, and sent as they lie on the disk."""

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import polars as pl

N_COLUMNS, PIECE_ROWS = 20, 250_000
KINDS = np.array(["card", "cash", "wire", "other"])
TIMEOUT_S = 900


def fractions(n_rows: int, seed: int, n_columns: int = N_COLUMNS) -> pl.DataFrame:
    """Columns f1, f2, ... of three scales."""
    drawn = np.random.default_rng(seed)
    return pl.DataFrame({f"f{i + 1}": drawn.normal(size=n_rows) * 10 ** (i % 3) for i in range(n_columns)})


def mixed(n_rows: int, seed: int) -> pl.DataFrame:
    """18 columns of fractions, one of integers, one of four words."""
    drawn = np.random.default_rng(seed)
    counts, kinds = drawn.integers(0, 100_000, n_rows), KINDS[drawn.integers(0, len(KINDS), n_rows)]
    return fractions(n_rows, seed, N_COLUMNS - 2).with_columns(count=counts, kind=kinds)


def write_csv(path: Path, n_rows: int, piece: Callable[[int, int], pl.DataFrame], *, decimals: int = 6) -> Path:
    """A header and `n_rows` rows, piece by piece."""
    with path.open("wb") as file:
        for start in range(0, n_rows, PIECE_ROWS):
            rows = piece(min(PIECE_ROWS, n_rows - start), start)
            rows.write_csv(file, include_header=start == 0, float_precision=decimals)
    return path


def upload_s(url: str, path: Path, **fields: str) -> float:
    """Seconds until the service at `url` has stored the file. Raises RuntimeError where it refuses it."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S, blocksize=2**20)
    with path.open("rb") as file:
        headers = {"content-type": "text/csv", "content-length": str(path.stat().st_size)}
        connection.request("POST", f"/api/v1/datasets?{urlencode(fields)}", file, headers)
        answer = connection.getresponse()
        said = answer.read()
    connection.close()
    if answer.status != http.HTTPStatus.CREATED:
        raise RuntimeError(f"{path.name}: {answer.status} {json.loads(said).get('detail')}")
    return time.perf_counter() - began
