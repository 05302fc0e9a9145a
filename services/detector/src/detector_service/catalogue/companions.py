"""What a row's companions do to its score, in stock PyOD and here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD

from detector_service.compile import compile_detector, run_graph

_DATA_SET = "annthyroid"
_N_TRAIN = 2000
_BATCHES = (1, 10, 100, 1000)


@dataclass(frozen=True)
class Companions:
    """scores: by whose they are, one per batch of 1, 10, 100 and 1,000 rows that the same row is part of."""

    data_set: str
    n_train: int
    scores: Mapping[str, tuple[float, ...]]


def compare(data: Path) -> Companions:
    """Of the row that stock ECOD moves most. data: the folder with annthyroid.csv, whose last column is the label."""
    table = np.loadtxt(data / f"{_DATA_SET}.csv", delimiter=",", skiprows=1)[:, :-1]
    rows = np.random.default_rng(0).permutation(table)
    training, others = np.split(rows[: _N_TRAIN + max(_BATCHES)], [_N_TRAIN])
    detector = ECOD().fit(training)
    together = detector.decision_function(others)
    alone = np.array([detector.decision_function(row[np.newaxis])[0] for row in others[:100]])
    most = int(np.abs(together[:100] - alone).argmax())
    batch = np.concatenate((others[most : most + 1], np.delete(others, most, axis=0)))
    scores = {}
    for name, kind in (("ECOD", ECOD), ("COPOD", COPOD)):
        stock = kind().fit(training)
        scores[f"PyOD {name}"] = tuple(float(stock.decision_function(batch[:n])[0]) for n in _BATCHES)
        scores[f"Pynomaly {name}"] = _ours(stock, name, training, batch)
    return Companions(_DATA_SET, _N_TRAIN, scores)


def _ours(
    stock: ECOD | COPOD, name: str, training: NDArray[np.float64], batch: NDArray[np.float64]
) -> tuple[float, ...]:
    graph = compile_detector(stock, name, training).model
    return tuple(float(run_graph(graph, batch[:n])["raw_score"][0]) for n in _BATCHES)
