"""A detector's columns against those of the data set that it is asked to learn from."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pynomaly_contracts.jobs import TrainResult

if TYPE_CHECKING:
    from .conftest import Service


@pytest.mark.parametrize(
    ("columns", "settings", "told"),
    [
        pytest.param(["a", "B2"], {}, "the data set has no column 'B2'; it has a, b, name, label", id="unknown"),
        pytest.param(["a", "nmae"], {}, "did you mean 'name'?", id="misspelt"),
        pytest.param(["a", "A"], {}, "did you mean 'a'?", id="in another case"),
        pytest.param(["a", "label"], {}, "column 'label' is the target", id="the target"),
        pytest.param(
            ["a", "name"],
            {"preprocessing": {"categories": "reject"}},
            "column 'name' holds string values, not numbers; set preprocessing.categories to onehot or frequency",
            id="a text that is rejected",
        ),
    ],
)
async def test_columns_that_cannot_be_learned_from_are_refused_when_training_is_asked_for(
    service: "Service", make_rows: Any, columns: list[str], settings: dict[str, Any], told: str
) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector(feature_columns=columns, **settings)
    answer = await service.client.post("/api/v1/detectors/forest/train", json={"dataset_id": "points"})
    assert answer.status_code == 422
    (wrong,) = answer.json()["errors"]
    assert (wrong["field"], wrong["value"]) == ("feature_columns", columns[1])
    assert told in wrong["message"]


async def test_columns_that_say_nothing_are_told_of_in_the_result(service: "Service", make_rows: Any) -> None:
    table: pa.Table = make_rows()
    table = table.append_column("same", pa.array(np.full(240, 3.0)))
    await service.peers.add_dataset("points", table.append_column("empty", pa.nulls(240, pa.float64())))
    await service.create_detector(preprocessing={"missing": "median"}, feature_columns=["a", "b", "same"])
    await service.create_detector("full", feature_columns=["a", "b"])
    async with service.worker_here():
        results = []
        for name in ("forest", "full"):
            job = await service.finished(await service.submit(f"detectors/{name}/train", dataset_id="points"))
            assert isinstance(job.result, TrainResult), job.problem
            results.append(job.result.warnings)
    assert results == [["all rows have the same value in 'same': nothing can be learned from that; leave it out"], []]
