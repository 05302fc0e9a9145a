"""How much memory a training needs, estimated from the size of its data before it begins.

Measured on normal numbers with the default parameters, as what the process holds at most: what it has loaded, what the
algorithm holds however few the rows are, and parts that grow with the numbers of the table and with the pairs of rows.
An estimate lies between what is needed and three times that; other parameters may need more.
"""

from collections.abc import Mapping
from typing import NamedTuple

from detector_service.algorithms import get_algorithm
from detector_service.errors import MemoryLimitReached
from detector_service.features import TEXT
from detector_service.specs import TrainSpec

STREAMED_VALUES = 8_000_000
"""Numbers, 64 MiB of them, up to which a table is trained on in memory."""
_SUBSAMPLED = frozenset({"IForest", "INNE"})
_MIB = 2**20
_LOADED_MB = 360  # Python, NumPy, SciPy, scikit-learn, PyOD, ONNX and ONNX Runtime
_STREAMED_MB, _STREAMED_BYTES_PER_ROW = 200, 120  # blocks of rows; scores, their order and their labels


class _Need(NamedTuple):
    """fixed_mb: MiB; then bytes for each number of the table, and for each pair of rows."""

    fixed_mb: float
    per_value: float
    per_pair: float = 0.0


_NEEDS: Mapping[str, _Need] = {
    "ABOD": _Need(250, 500),
    "CBLOF": _Need(150, 150),
    "CD": _Need(150, 400),
    "COPOD": _Need(100, 1600),
    "Combination": _Need(300, 1500),
    "ECOD": _Need(100, 1100),
    "FeatureBagging": _Need(300, 1500),
    "GMM": _Need(60, 100),
    "HBOS": _Need(110, 40),
    "HDBSCAN": _Need(250, 500),
    "IForest": _Need(40, 50),
    "INNE": _Need(260, 100),
    "KDE": _Need(250, 300),
    "KNN": _Need(230, 250),
    "KPCA": _Need(80, 200, 200),
    "LODA": _Need(40, 150),
    "LOF": _Need(230, 250),
    "MAD": _Need(40, 400),
    "MCD": _Need(60, 150),
    "OCSVM": _Need(320, 300),
    "PCA": _Need(20, 150),
    "QMCD": _Need(600, 300),
    "Sampling": _Need(230, 100),
}
_OTHERS = _Need(1000, 300)  # networks, which load PyTorch


def is_streamed(spec: TrainSpec, n_rows: int) -> bool:
    """Whether these rows are many, numbers or dates all, and the algorithm looks at few of them."""
    if spec.algorithm not in _SUBSAMPLED or any(column.type == TEXT for column in spec.columns):
        return False
    given = {**get_algorithm(spec.algorithm).defaults, **spec.parameters}
    taken = given["max_samples"]
    n_taken = 256 if taken == "auto" else taken * n_rows if isinstance(taken, float) else taken
    is_few: bool = n_taken * given["n_estimators"] <= n_rows
    return is_few and n_rows * len(spec.feature_columns) > STREAMED_VALUES


def estimate_mb(spec: TrainSpec, n_rows: int) -> int:
    """MiB that a training on n_rows needs."""
    if is_streamed(spec, n_rows):
        return round(_LOADED_MB + _STREAMED_MB + n_rows * _STREAMED_BYTES_PER_ROW / _MIB)
    need = _NEEDS.get(spec.algorithm, _OTHERS)
    n_bytes = n_rows * _n_features(spec) * need.per_value + n_rows**2 * need.per_pair
    return round(_LOADED_MB + need.fixed_mb + n_bytes / _MIB)


def check_fits(spec: TrainSpec, limit_mb: int) -> None:
    """Raises MemoryLimitReached, with the estimate, where a training needs more than a job may have, MiB."""
    if spec.n_rows is None or (estimated_mb := estimate_mb(spec, spec.n_rows)) <= limit_mb:
        return
    shape = f"{spec.n_rows:,} rows of {len(spec.feature_columns):,} columns"
    raise MemoryLimitReached(
        f"training {spec.algorithm} on {shape} needs about {estimated_mb:,} MiB, more than the {limit_mb:,} MiB that a "
        "job may have: train on a part of the rows (POST /api/v1/datasets/{id}/split), take IForest, which looks at a "
        "sample, or raise JOB_MEMORY_LIMIT_MB",
        estimate_mb=estimated_mb,
        limit_mb=limit_mb,
    )


def _n_features(spec: TrainSpec) -> int:
    """At most: of a text, each category that is kept makes one, and one more the others."""
    n_texts = sum(column.type == TEXT for column in spec.columns)
    return len(spec.feature_columns) + n_texts * spec.preprocessing.max_categories
