"""How much a batch may be that is scored against itself."""

from detector_service.algorithms import Algorithm
from detector_service.domain import Refusal, Unfit


def check_rows(algorithm: Algorithm, n_rows: int) -> None:
    """Raises Unfit where n_rows are more than the algorithm takes."""
    if algorithm.max_rows is not None and n_rows > algorithm.max_rows:
        message = (
            f"{algorithm.name} compares every row with every other: it takes at most {algorithm.max_rows:,} rows, and "
            f"these are {n_rows:,}; score a sample, or use {' or '.join(algorithm.instead)}"
        )
        raise Unfit(Refusal("dataset_id", n_rows, message))


def check_features(algorithm: Algorithm, n_features: int) -> None:
    """Raises Unfit where n_features are more than the algorithm takes."""
    if algorithm.max_features is not None and n_features > algorithm.max_features:
        message = (
            f"{algorithm.name} looks at every triple of features: it takes at most {algorithm.max_features} of them, "
            f"and these are {n_features}; name fewer feature_columns, or use {' or '.join(algorithm.instead)}"
        )
        raise Unfit(Refusal("feature_columns", n_features, message))
