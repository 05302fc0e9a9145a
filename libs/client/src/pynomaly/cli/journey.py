"""From a file to its scores: upload, train, evaluate, score, fetch, and clean up."""

import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.jobs import DetectBatchResult, EvaluateResult, TrainResult
from rich.markup import escape

from pynomaly.cli.inputs import as_csv_file, check_file
from pynomaly.cli.output import say
from pynomaly.cli.scored import CsvFile, Layout, TopRow, as_csv, as_ndjson, merge, scores_in
from pynomaly.client import Client
from pynomaly.errors import InvalidInput, PynomalyError
from pynomaly.files import replaced
from pynomaly.jobs import JobHandle, R
from pynomaly.rows import import_optional
from pynomaly.tables import name_from

SCORES = ("raw_score", "prediction", "is_anomaly")
LABEL_NAMES = frozenset({"is_anomaly", "label", "target", "anomaly", "outlier", "class", "y"})
NOT_NUMBERS = {
    "string": "text, not numbers; --categories onehot or frequency uses it",
    "date": "dates, not numbers; --dates parts uses them",
    "datetime": "times, not numbers; --dates parts uses them",
}
CSV_ENDINGS = frozenset({"", ".csv", ".tsv", ".txt"})
NDJSON_ENDINGS = frozenset({".ndjson", ".jsonl"})


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    file: Path
    target: str | None
    algorithm: str
    contamination: float | None
    columns: list[str] | None
    output: Path | None
    n_top: int
    keep: bool
    preprocessing: dict[str, str] | None = None

    def __post_init__(self) -> None:
        check_file(self.file)
        if self.target == "":
            raise InvalidInput("--target: '' names no column; name one, or leave the option out")
        if self.columns == []:
            raise InvalidInput("--columns: no column is named; name some, as in --columns a,b, or leave the option out")
        if self.output is not None:
            _check_output(self.file, self.output)


@dataclass(frozen=True)
class Report:
    """What came of it."""

    dataset: Dataset
    contamination: float
    trained: TrainResult
    scored: DetectBatchResult
    metrics: EvaluateResult | None
    top: list[TopRow]
    hint: str | None
    names: dict[str, str] = field(default_factory=dict)

    def score_names(self) -> list[str]:
        return [self.scored.score_columns[name] for name in SCORES]

    def left_out(self) -> dict[str, str]:
        """Column to why the detector did not use it."""
        return {name: self._why(name) for name in self.trained.ignored_columns}

    def _why(self, name: str) -> str:
        if name == self.dataset.target_column:
            return "it is the label"
        kind = next(column.type for column in self.dataset.columns if column.name == name)
        return f"it holds {NOT_NUMBERS[kind]}" if kind in NOT_NUMBERS else "not among --columns"


def travel(client: Client, wish: Wish, *, progress: bool | None) -> Report:
    """The whole journey. What it made in the suite is removed again, also when it fails, unless wish.keep."""
    with ExitStack() as trash:
        leave = _keeping if wish.keep else _removing(trash)
        stem = f"{name_from(wish.file.name)[:100]}-{uuid4().hex[:8]}"
        file = trash.enter_context(as_csv_file(wish.file))
        dataset = client.datasets.upload(file, stem, target_column=wish.target)
        leave(client.datasets.delete, dataset.id)
        hint = None if wish.target else _label_hint(client, dataset)
        detector = client.detectors.create(
            stem,
            wish.algorithm,
            contamination=wish.contamination,
            feature_columns=wish.columns,
            preprocessing=wish.preprocessing,
        )
        leave(client.detectors.delete, detector.id)
        trained = _ended(client.detectors.train(detector.id, dataset.id), progress)
        leave(client.models.delete, trained.model_id)
        metrics = _ended(client.detectors.evaluate(detector.id, dataset.id), progress) if wish.target else None
        job = client.detect_batch(dataset.id, trained.model_id, version=trained.model_version, name=f"{stem}-scored")
        scored = _ended(job, progress)
        leave(client.datasets.delete, scored.dataset_id)
        top = _fetched(client, wish, CsvFile(file, [column.name for column in dataset.columns]), scored)
    made = dict.fromkeys(("dataset", "detector", "model"), stem) | {"scored": f"{stem}-scored"} if wish.keep else {}
    return Report(dataset, detector.contamination, trained, scored, metrics, top, hint, made)


def _ended(job: JobHandle[R], progress: bool | None) -> R:
    """The job's result. What stops this command stops the job, as nobody else waits for it."""
    try:
        return job.wait(progress=progress)
    except (KeyboardInterrupt, SystemExit):
        _or_say(job.cancel, f"job {job.id} could not be cancelled")
        raise


def _fetched(client: Client, wish: Wish, file: CsvFile, scored: DetectBatchResult) -> list[TopRow]:
    names = [scored.score_columns[name] for name in SCORES]
    with TemporaryDirectory(prefix="pynomaly-detect-") as folder:
        path = client.datasets.download(scored.dataset_id, Path(folder) / "scores.csv", names)
        ending = "" if wish.output is None else wish.output.suffix.lower()
        layout = (as_ndjson if ending in NDJSON_ENDINGS else as_csv)(file, names)
        if wish.output is not None and ending == ".parquet":
            _write_parquet(client, scored, wish.output)
        return _merged(file, path, wish, None if ending == ".parquet" else wish.output, layout)


def _merged(file: CsvFile, scores: Path, wish: Wish, output: Path | None, layout: Layout) -> list[TopRow]:
    with nullcontext() if output is None else replaced(output) as into:
        return merge(file, scores_in(scores), wish.n_top, into, layout)


def _write_parquet(client: Client, scored: DetectBatchResult, output: Path) -> None:
    """Typed columns, as the suite read them; text that only looks like a number has become one."""
    frame = client.datasets.rows(scored.dataset_id, format="arrow").to_polars()
    with replaced(output) as into:
        frame.write_parquet(into)


def _label_hint(client: Client, dataset: Dataset) -> str | None:
    """The column that is called as labels are and holds only 0 and 1."""
    suspects = {name for name in dataset.feature_columns if name.lower() in LABEL_NAMES}
    if not suspects:
        return None
    for column in client.datasets.quality(dataset.id).columns:
        if column.name in suspects and (column.min, column.max, column.n_distinct) == (0, 1, 2):
            return column.name
    return None


def _check_output(file: Path, output: Path) -> None:
    ending = output.suffix.lower()
    if output.exists() and output.samefile(file):
        raise InvalidInput(f"--output: {str(output)!r} is the input itself; name another file")
    if output.is_dir():
        raise InvalidInput(f"--output: {str(output)!r} is a folder; name a file in it")
    if not output.parent.is_dir():
        raise InvalidInput(f"--output: there is no folder {str(output.parent)!r}; make it, or name another")
    if not os.access(output.parent, os.W_OK):
        raise InvalidInput(f"--output: {str(output.parent)!r} cannot be written to; name a file in a folder of yours")
    if ending == ".parquet":
        import_optional("polars")
    elif ending not in CSV_ENDINGS | NDJSON_ENDINGS:
        raise InvalidInput(f"--output: {ending!r} is no known format; use .csv, .ndjson, .jsonl or .parquet")


Leave = Callable[[Callable[..., object], object], None]


def _keeping(_remove: Callable[..., object], _ref: object) -> None:
    """Everything stays."""


def _removing(trash: ExitStack) -> Leave:
    def leave(remove: Callable[..., object], ref: object) -> None:
        trash.callback(_or_say, lambda: remove(ref), f"{ref} could not be removed from the suite")

    return leave


def _or_say(action: Callable[[], object], otherwise: str) -> None:
    """Tidying up: what fails here is told, and does not hide the result or the first error."""
    try:
        action()
    except PynomalyError as error:
        say(f"[yellow]{escape(f'{otherwise}: {error}')}[/]")
