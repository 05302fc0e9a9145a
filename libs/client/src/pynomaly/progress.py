"""How a job's progress looks in a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pynomaly_contracts.imports import Import
from pynomaly_contracts.jobs import Job
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

Show = Callable[[Job | Import], None]


@contextmanager
def progress_bar(wanted: bool | None) -> Iterator[Show]:
    """What shows a job's state. None: a bar where standard error is a terminal, nothing otherwise."""
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield lambda _job: None
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("job", total=1.0)
        yield lambda job: bar.update(task, description=_said(job), completed=job.progress)


def _said(job: Job | Import) -> str:
    if isinstance(job, Import) and job.n_bytes:
        rows = "" if job.n_rows is None else f", {job.n_rows:,} rows"
        return f"{job.kind}: {job.stage}, {job.n_bytes / 2**20:,.1f} MiB{rows}"
    return f"{job.kind}: {job.stage}"
