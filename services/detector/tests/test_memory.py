"""What a training is thought to need is what it needs, within bounds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from detector_service.algorithms import ALGORITHMS
from detector_service.errors import MemoryLimitReached
from detector_service.specs import TrainSpec
from detector_service.training.memory import check_fits, estimate_mb, is_streamed
from pynomaly_contracts.datasets import Column

MEASURED = [name for name, algorithm in ALGORITHMS.items() if algorithm.extra is None]
FEW = 300
LARGER = {
    **dict.fromkeys(ALGORITHMS, 1_000),
    **dict.fromkeys(("IForest", "HBOS", "PCA", "LODA", "Sampling"), 40_000),
    **dict.fromkeys(("ECOD", "COPOD", "CBLOF", "GMM"), 8_000),
    **dict.fromkeys(("KNN", "LOF", "INNE", "MCD", "HDBSCAN"), 4_000),
    "CD": 500,
    "MAD": 200_000,
}
"""Rows of the larger of the two sizes: as many as take a second or so."""


def spec(algorithm: str = "IForest", n_rows: int = 1000, n_columns: int = 10, **fields: Any) -> TrainSpec:
    given = {
        "dataset_id": UUID(int=1),
        "dataset_version": "1",
        "feature_columns": [f"c{number}" for number in range(n_columns)],
        "detector_name": "d",
        "algorithm": algorithm,
        "contamination": 0.1,
        "parameters": {},
        "seed": 0,
        "ignored_columns": [],
        "n_rows": n_rows,
    }
    return TrainSpec.model_validate(given | fields)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(4))
def test_estimates_hold_for_every_algorithm_at_two_sizes(part: int) -> None:
    asked = [(name, FEW, LARGER[name], 1 if name == "MAD" else 10) for name in MEASURED[part::4]]
    program = [sys.executable, str(Path(__file__).with_name("peak_memory.py"))]
    measured = subprocess.run(program, input=json.dumps(asked), capture_output=True, check=True, text=True)
    shares = {}
    for (name, few, many, n_columns), line in zip(asked, measured.stdout.splitlines(), strict=True):
        for n_rows, peak_mb in zip((few, many), json.loads(line), strict=True):
            shares[name, n_rows] = estimate_mb(spec(name, n_rows, n_columns), n_rows) / peak_mb
    assert {size: share for size, share in shares.items() if not 1 <= share <= 3} == {}


def test_what_is_too_much_is_refused_with_the_estimate_the_limit_and_a_way_out() -> None:
    wanted = spec("KPCA", 100_000)
    with pytest.raises(MemoryLimitReached, match=r"KPCA on 100,000 rows of 10 columns needs about [\d,]+ MiB") as found:
        check_fits(wanted, 4096)
    assert found.value.members == {"estimate_mb": estimate_mb(wanted, 100_000), "limit_mb": 4096}
    assert "more than the 4,096 MiB that a job may have: train on a part of the rows" in str(found.value)
    check_fits(wanted, estimate_mb(wanted, 100_000))


def test_a_job_of_former_times_that_does_not_know_its_rows_is_tried() -> None:
    check_fits(spec("KPCA").model_copy(update={"n_rows": None}), 16)


def test_ten_million_rows_of_a_subsampling_algorithm_fit_where_those_of_others_do_not() -> None:
    assert estimate_mb(spec("IForest", n_columns=20), 10_000_000) < 2048
    assert estimate_mb(spec("ECOD", n_columns=20), 10_000_000) > 100_000


def test_what_is_streamed_is_much_numeric_and_looked_at_in_part() -> None:
    text = [Column(name=f"c{number}", type="string") for number in range(10)]
    assert is_streamed(spec(), 900_000)
    assert is_streamed(spec("INNE"), 900_000)
    assert not is_streamed(spec(), 800_000)
    assert not is_streamed(spec(parameters={"max_samples": 0.5}), 900_000)
    assert not is_streamed(spec(columns=text), 900_000)
    assert not is_streamed(spec("KNN"), 900_000)
