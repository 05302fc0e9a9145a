"""What others do with the same file, each in a process of its own: python alone.py NAME ARGUMENT...

Prints seconds, without the imports, and the peak of its memory.
"""
# ruff: noqa: PLC0415 - a work has nothing in its memory but what it needs

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cores

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Measured:
    """seconds: of the work alone. mib: the most memory that the process ever had resident."""

    seconds: float
    mib: float


def alone(name: str, *arguments: object, python: Path = Path(sys.executable)) -> Measured:
    """One of the works below on every core, in the environment of an interpreter."""
    with cores.unpinned():
        said = subprocess.run(
            [python, __file__, name, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True
        )
    return Measured(**json.loads(said.stdout.splitlines()[-1]))


def polars_parquet(source: str, target: str) -> Callable[[], object]:
    import polars as pl

    return lambda: pl.scan_csv(source).sink_parquet(target)


def pandas_psycopg(source: str, url: str) -> Callable[[], object]:
    """Into a new table, in one transaction, by psycopg, which sends the rows without waiting for each."""
    import pandas as pd
    import psycopg  # type: ignore[import-not-found] # of the environment that `install` makes

    def insert() -> None:
        frame = pd.read_csv(source)
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(_table(frame))
            cursor.executemany(_insert(frame, lambda _: "%s"), list(frame.itertuples(index=False, name=None)))
            cursor.execute("DROP TABLE uploaded")

    return insert


def pandas_asyncpg(source: str, url: str) -> Callable[[], object]:
    """As `pandas_psycopg`, by asyncpg, whose protocol is in C."""
    import asyncpg
    import pandas as pd

    async def insert() -> None:
        frame = pd.read_csv(source)
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await connection.execute(_table(frame))
            marked = _insert(frame, lambda position: f"${position + 1}")
            await connection.executemany(marked, frame.itertuples(index=False, name=None))
            await connection.execute("DROP TABLE uploaded")
        await connection.close()

    return lambda: asyncio.run(insert())


def _table(frame: "pd.DataFrame") -> str:
    kinds = {"f": "double precision", "i": "bigint"}
    columns = [f'"{name}" {kinds.get(kind.kind, "text")}' for name, kind in frame.dtypes.items()]
    return f"CREATE TABLE uploaded ({', '.join(columns)})"


def _insert(frame: "pd.DataFrame", mark: Callable[[int], str]) -> str:
    return f"INSERT INTO uploaded VALUES ({', '.join(map(mark, range(frame.shape[1])))})"  # noqa: S608 - marks alone


def pandas_pyod(source: str) -> Callable[[], object]:
    """Its numbers into an Isolation Forest with the library's defaults."""
    import pandas as pd
    from pyod.models.iforest import IForest

    return lambda: IForest(random_state=0).fit(pd.read_csv(source).select_dtypes("number").to_numpy())


def pyod_fit(source: str) -> Callable[[], object]:
    """As `pandas_pyod`, of labelled rows that lie in memory."""
    import pandas as pd
    from pyod.models.iforest import IForest

    rows = pd.read_csv(source).select_dtypes("number").drop(columns="is_anomaly").to_numpy()
    return lambda: IForest(random_state=0).fit(rows)


def onnx_rows(source: str, model: str, columns: str) -> Callable[[], object]:
    """Every row of a Parquet file through ONNX Runtime with all cores, and the answers into another file."""
    import numpy as np
    import onnxruntime as ort
    import polars as pl

    def score() -> None:
        rows = pl.read_parquet(source, columns=columns.split(",")).to_numpy(order="c").astype(np.float64)
        session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        answers = session.run(names, {"numeric": rows})
        scored = pl.DataFrame(dict(zip(names, answers, strict=True)))
        scored.write_parquet(Path(source).with_suffix(".scores"))

    return score


WORKS = {
    each.__name__: each for each in (polars_parquet, pandas_psycopg, pandas_asyncpg, pandas_pyod, pyod_fit, onnx_rows)
}


def main(name: str, *arguments: str) -> None:
    work = WORKS[name](*arguments)
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "linux" else 1024)
    print(json.dumps({"seconds": seconds, "mib": peak_kib / 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
