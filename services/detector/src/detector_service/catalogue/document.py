"""docs/algorithms.md, from the catalogue and from what stock PyOD answers."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from detector_service.algorithms import requirement
from detector_service.catalogue.companions import Companions, compare

Entry = Mapping[str, Any]

_OWN = frozenset({"Combination"})
_KINDS = {"batch": "batch jobs", "torch": "with PyTorch", "not_offered": "no"}

_TEMPLATE = """\
# Algorithms

<!-- Generated: python -m detector_service.algorithms --write -->

PyOD {version} has {n_detectors} detectors. {n_online} of them are online: compiled to one ONNX graph that scores a row
in microseconds. {n_torch} more come with PyTorch (`pip install 'pynomaly-detector-service[torch]'`). {n_batch} score a
batch against itself, so that a row alone has no score: they are for batch jobs (`POST /api/v1/detect/batch` with the
detector's id). {n_not_offered} are not offered, each for the reason given.

**Fit** and **score** say what one core takes with the default parameters for 7,200 rows of 6 columns (annthyroid): to
fit, *low* is below 0.1 s, *high* from 1 s on; to score one row of many, *low* is below 5 µs, *high* from 100 µs on.
ABOD, CD, FeatureBagging, HDBSCAN, KDE, KNN, KPCA, LOF, LUNAR, OCSVM and QMCD look at all training rows for each score,
so that it takes longer with more of them.

| Detector | Online | Fit | Score | Good at, or why it is not online | Paper |
|---|---|---|---|---|---|
{table}

\\* Pynomaly's own, in place of PyOD's SUOD and of its functions that combine scores.

## A score never depends on its companions

Stock ECOD and COPOD work out their distributions anew from the training rows and the batch together, so that the
score of a row changes with the rows that come along. Here the same row of {data_set} is scored, alone and in batches,
by detectors that were trained on the same {n_train:,} rows:

| | alone | with 9 others | with 99 | with 999 |
|---|---|---|---|---|
{companions}

Stock moves by {moved}.
Ours is frozen: each row is scored as stock PyOD scores it alone against the training rows, whatever comes with it.
CD, which stock scales by the least and the largest distance of the batch, is frozen likewise: each row is scored as
stock PyOD scores it at the end of the training rows.

## Networks

They train on one thread of a CPU, so that the same rows and seed give the same model. Their weights are PyOD's to the
last bit. PyOD scores with them in float32, the graph in float64; both agree as closely as for all other detectors. Two
differ from stock PyOD on purpose:

- VAE decodes the mean of a row's code. Stock decodes a random draw, so that the same row scores differently each time.
- DIF standardises a representation over the training rows. Stock does it over the batch, so that a row alone always
  scores the same.

PyTorch takes 5 GB on Linux with the libraries for GPUs that it comes with, which are not used. A job that trains a
network needs 1,200 MiB before its first row; `JOB_MEMORY_LIMIT_MB` is 4,096 by default.

## Parameters

Defaults are PyOD's own. All take `contamination` and `seed` besides, which belong to the detector.

{parameters}"""


def document(algorithms: Sequence[Entry], elsewhere: Sequence[Entry], data: Path) -> str:
    """The text. algorithms, elsewhere: as in algorithms.json. data: the folder of the examples' data sets."""
    offered = {entry["name"] for entry in algorithms}
    others = [entry for entry in elsewhere if entry["name"] not in offered]
    found = compare(data)
    rows = [*map(_offered_row, algorithms), *map(_other_row, others)]
    kinds = [_kind(entry) for entry in (*algorithms, *others)]
    return _TEMPLATE.format(
        version=version("pyod"),
        n_detectors=len(rows) - len(_OWN),
        n_online=kinds.count("online") - len(_OWN),
        n_torch=kinds.count("torch"),
        n_batch=kinds.count("batch"),
        n_not_offered=kinds.count("not_offered"),
        table=_lines(rows),
        data_set=found.data_set,
        n_train=found.n_train,
        companions=_lines(_companion_rows(found)),
        moved=_moved(found),
        parameters="\n".join(map(_parameters, algorithms)),
    )


def _kind(entry: Entry) -> str:
    if entry.get("batch_only"):
        return "batch"
    return str(entry.get("kind") or ("torch" if entry.get("extra") else "online"))


def _offered_row(entry: Entry) -> tuple[str, ...]:
    name = f"{entry['name']} \\*" if entry["name"] in _OWN else entry["name"]
    online = _KINDS.get(_kind(entry), "yes")
    link = f"[{name}](#{entry['name'].lower()})"
    return link, online, entry["fit_cost"], entry["score_cost"], entry["good_at"] + _only(entry), entry["paper"]


def _only(entry: Entry) -> str:
    """Why, and how much, if only batches are scored."""
    if not entry.get("batch_only"):
        return ""
    features = f" of {entry['max_features']} features" if entry.get("max_features") else ""
    return f" It {entry['batch_only']}; at most {entry['max_rows']:,} rows{features}."


def _other_row(entry: Entry) -> tuple[str, ...]:
    instead = " or ".join(entry["instead"])
    return entry["name"], _KINDS[entry["kind"]], "", "", f"It {entry['reason']}. Use {instead}.", ""


def _companion_rows(found: Companions) -> Iterator[tuple[str, ...]]:
    for who, scores in found.scores.items():
        yield who, *(f"{score:.4f}" for score in scores)


def _moved(found: Companions) -> str:
    moves = {who: max(scores) - min(scores) for who, scores in found.scores.items() if who.startswith("PyOD")}
    return " and ".join(f"{move:.4f} ({who.removeprefix('PyOD ')})" for who, move in moves.items())


def _parameters(entry: Entry) -> str:
    head = f"### {entry['name']}\n\n{entry['title']}. {entry['description']}\n"
    properties = entry["parameters_schema"]["properties"]
    if not properties:
        return f"{head}\nNo parameters.\n"
    rows = [
        (f"`{name}`", requirement(schema), f"`{json.dumps(schema['default'])}`", schema["description"])
        for name, schema in properties.items()
    ]
    return f"{head}\n| Parameter | Value | Default | Meaning |\n|---|---|---|---|\n{_lines(rows)}\n"


def _lines(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
