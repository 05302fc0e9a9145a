"""A CSV file over HTTP into the dataset service, beside Polars on the same file and pandas with PostgreSQL."""

import statistics
from pathlib import Path

import cores
from alone import alone
from figures import Bar, Outcome
from files import mixed, upload_s, write_csv
from servers import ENVIRONMENTS, install
from stage import MIB, OURS, Stage, peak_bytes

MAX_TIMES, MIN_TIMES, MAX_MIB = 3, 10, 256
GIB_ROWS = 5_700_000  # 1.02 GiB


def measure(stage: Stage) -> Outcome:
    n_rows = 100_000 if stage.quick else 1_000_000
    file = write_csv(stage.folder / "upload.csv", n_rows, mixed)
    own_s, polars_s = _turns(stage, file)
    inserted = _inserted(stage, file)
    file.unlink()
    bars = [
        _slower(f"upload of {n_rows:,} rows x 20 CSV over HTTP", own_s, polars_s),
        *_faster(own_s, inserted),
        _memory(stage),
    ]
    others = {f"pandas, {driver}": seconds for driver, seconds in inserted.items()}
    return Outcome(bars, numbers={OURS: own_s, "Polars, to a file": polars_s, **others})


def _inserted(stage: Stage, file: Path) -> dict[str, float]:
    """Seconds of pandas and executemany into PostgreSQL, by driver; psycopg is no part of our environment."""
    url = stage.suite.database_url("dataset")
    found = {"asyncpg": alone("pandas_asyncpg", file, url).seconds}
    if stage.rivals:
        install("psycopg")
        found["psycopg"] = alone(
            "pandas_psycopg", file, url, python=ENVIRONMENTS / "psycopg" / "bin" / "python"
        ).seconds
    return found


def _turns(stage: Stage, file: Path) -> tuple[float, float]:
    """Median seconds, ours and Polars', in turn."""
    own, polars, url = [], [], stage.suite.ports.url("dataset")
    for _ in range(1 if stage.quick else 3):
        with cores.unpinned():
            own.append(upload_s(url, file, name="bench-upload"))
        stage.client.datasets.delete("bench-upload")
        polars.append(alone("polars_parquet", file, stage.folder / "upload.parquet").seconds)
    return statistics.median(own), statistics.median(polars)


def _slower(name: str, own_s: float, polars_s: float) -> Bar:
    ratio = own_s / polars_s
    figure = f"{own_s:.2f} s; polars.scan_csv().sink_parquet() {polars_s:.2f} s: {ratio:.1f}x"
    return Bar(name, figure, f"<= {MAX_TIMES}x", ratio <= MAX_TIMES)


def _faster(own_s: float, inserted: dict[str, float]) -> list[Bar]:
    """The bar is held against psycopg, what is said of asyncpg is no bar: no other driver is near it."""
    bars = []
    for driver, seconds in inserted.items():
        ratio = seconds / own_s
        name = f"the same, against pandas and executemany into PostgreSQL by {driver}"
        figure = f"{own_s:.2f} s; {seconds:.1f} s: 1/{ratio:.1f}"
        is_told = driver == "asyncpg"
        bars.append(Bar(name, figure, "" if is_told else f"<= 1/{MIN_TIMES}", is_told or ratio >= MIN_TIMES))
    return bars


def _memory(stage: Stage) -> Bar:
    """The peak of a service that has just started, before and after its first upload."""
    n_rows = 500_000 if stage.quick else GIB_ROWS
    file = write_csv(stage.folder / "large.csv", n_rows, mixed)
    size_mib = file.stat().st_size / MIB
    with cores.unpinned():
        stage.suite.restart("dataset")
        before = peak_bytes(stage.suite.pid_of("dataset"))
        upload_s(stage.suite.ports.url("dataset"), file, name="bench-large")
    more = (peak_bytes(stage.suite.pid_of("dataset")) - before) / MIB
    stage.client.datasets.delete("bench-large")
    file.unlink()
    figure = f"{more:.0f} MiB more than the {before / MIB:.0f} of a start"
    return Bar(f"upload of {size_mib:,.0f} MiB CSV: peak memory", figure, f"<= {MAX_MIB} MiB", more <= MAX_MIB)
