"""What can be trained at all: a request held against the limits, and against the size of its data."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynomaly_scoring import Rows

from detector_service.algorithms import get_algorithm
from detector_service.domain import N_NAMED, Refusal, Unfit
from detector_service.training.request import FitRequest

_MAX_CONTAMINATION = 0.5
_MAX_WEIGHTS = 16_000_000  # 128 MB of a model
_MAX_SEED = 2**32 - 1
# ROD seeks a median to within 1e-5, which numbers of 1e11 are too coarse for; HDBSCAN circles among infinite distances.
_ENDS_UP_TO = {"ROD": 1e9, "HDBSCAN": 1e150}


def check_request(request: FitRequest, rows: Rows) -> None:
    """What is wrong whatever the algorithm does. Raises Unfit; ValueError where names and columns differ in number."""
    if not 0 < request.contamination <= _MAX_CONTAMINATION:
        message = "contamination is the expected share of anomalies: above 0 and at most 0.5"
        raise Unfit(Refusal("contamination", request.contamination, message))
    if not 0 <= request.seed <= _MAX_SEED:
        raise Unfit(Refusal("seed", request.seed, f"seed must be in 0..{_MAX_SEED}"))
    n_columns = rows.numeric.shape[1] + (0 if rows.text is None else rows.text.shape[1])
    if n_columns == 0:
        raise Unfit(Refusal("feature_columns", [], "the data has no numeric column to train on; name some or add one"))
    if not n_columns == len(request.feature_names) == len(request.sources):
        raise ValueError(f"{len(request.feature_names)} feature names for {n_columns} columns")
    if rows.n_rows < 2:
        raise Unfit(Refusal("dataset_id", rows.n_rows, f"training needs at least 2 rows; the data has {rows.n_rows}"))


def check_size(request: FitRequest, n_rows: int, n_features: int) -> None:
    """Parameters that ask for more than the data has. n_features: what the algorithm sees. Raises Unfit."""
    given = {**get_algorithm(request.algorithm).defaults, **request.parameters}
    if request.algorithm == "KNN" and given["n_neighbors"] >= n_rows:
        message = f"n_neighbors is {given['n_neighbors']}, but a row has only {n_rows - 1} others; lower it or add rows"
        raise Unfit(Refusal("parameters.n_neighbors", given["n_neighbors"], message))
    share = given.get("max_samples")
    if isinstance(share, float) and share * n_rows < 2:
        message = f"max_samples {share} of {n_rows} rows leaves less than 2 rows per sample; raise it"
        raise Unfit(Refusal("parameters.max_samples", share, message))
    if request.algorithm == "MAD" and n_features > 1:
        message = f"MAD looks at one column; name one of {', '.join(request.feature_names[:N_NAMED])}"
        raise Unfit(Refusal("feature_columns", list(request.feature_names), message))
    if request.algorithm == "KPCA":
        _check_weights(given, n_rows)
    else:
        _check_components(given, n_rows, n_features)


def check_magnitude(names: Iterable[str], features: NDArray[np.float64]) -> None:
    """Numbers with which an algorithm of these names would never end. features: (n_rows, n_features). Raises Unfit."""
    largest = float(np.abs(features).max())
    for name in names:
        if largest > _ENDS_UP_TO.get(name, np.inf):
            message = (
                f"{name} takes numbers up to {_ENDS_UP_TO[name]:g}, and here are some of {largest:.3g}: set "
                "preprocessing.scaling, or leave the column out"
            )
            raise Unfit(Refusal("preprocessing.scaling", largest, message))


def _check_weights(given: Mapping[str, Any], n_rows: int) -> None:
    """A kernel's components are made of training rows: the model holds a weight for each pair."""
    if given["sampling"]:
        size = given["subset_size"]
        n_rows = int(size * n_rows) if isinstance(size, float) else min(size, n_rows)
    n_components = min(n_rows, given["n_components"] or n_rows)
    if n_rows * n_components > _MAX_WEIGHTS:
        message = (
            f"KPCA keeps a weight for each of {n_rows} rows and {n_components} components, more than "
            f"{_MAX_WEIGHTS:,}: set n_components lower, or sampling with a smaller subset_size"
        )
        raise Unfit(Refusal("parameters.n_components", given["n_components"], message))


def _check_components(given: Mapping[str, Any], n_rows: int, n_features: int) -> None:
    most = min(n_rows, n_features)
    for name in ("n_components", "n_selected_components"):
        if "n_selected_components" in given and (given[name] or 0) > most:
            message = (
                f"{name} is {given[name]}, but {n_rows} rows of {n_features} features have at most {most} components"
            )
            raise Unfit(Refusal(f"parameters.{name}", given[name], message))
