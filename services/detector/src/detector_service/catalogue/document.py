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
batch against itself, so that a row alone has no score. {n_not_offered} are not offered, each for the reason given.

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
    return str(entry.get("kind") or ("torch" if entry.get("extra") else "online"))


def _offered_row(entry: Entry) -> tuple[str, ...]:
    name = f"{entry['name']} \\*" if entry["name"] in _OWN else entry["name"]
    online = _KINDS.get(_kind(entry), "yes")
    link = f"[{name}](#{entry['name'].lower()})"
    return link, online, entry["fit_cost"], entry["score_cost"], entry["good_at"], entry["paper"]


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
