"""Detectors of raw columns: texts, booleans, dates and missing values, from the request to the scored data set."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from detector_service.specs import TrainSpec
from pynomaly_contracts.jobs import DetectBatchResult, EvaluateResult, TrainResult
from pynomaly_scoring import Scorer, open_artefact

RAW = {"missing": "indicator", "categories": "onehot", "dates": "parts", "scaling": "standard"}


def orders(n_rows: int = 120, **change: list[Any]) -> pa.Table:
    """What a shop exports; the last five have amounts and a country like no other."""
    random, odd = np.random.default_rng(3), np.arange(n_rows) >= n_rows - 5
    noon = dt.datetime(2026, 3, 1, 12)  # noqa: DTZ001 - as files have them
    made: dict[str, list[Any]] = {
        "amount": np.where(odd, 500.0, random.normal(20, 4, n_rows)).tolist(),
        "country": np.where(odd, "Atlantis", random.choice(["Norway", "Italy"], n_rows)).tolist(),
        "member": random.choice([True, False], n_rows).tolist(),
        "born": [dt.date(1980, 1, 1) + dt.timedelta(days=int(day)) for day in random.integers(0, 9000, n_rows)],
        "seen": [noon + dt.timedelta(hours=int(hour)) for hour in random.integers(0, 900, n_rows)],
        "label": odd.astype(int).tolist(),
    }
    for row, name in enumerate(("amount", "country", "member", "born", "seen"), start=10):
        made[name][row] = None
    return pa.table(made | change)


async def trained(service: Any, table: pa.Table, **detector: Any) -> Any:
    await service.peers.add_dataset("orders", table)
    await service.create_detector(algorithm="HBOS", parameters={}, contamination=0.05, **detector)
    return await service.finished(await service.submit("detectors/forest/train", dataset_id="orders"))


async def test_raw_columns_are_learned_from_evaluated_and_scored_by_one_model(service: Any) -> None:
    async with service.worker():
        job = await trained(service, orders(), preprocessing=RAW)
        assert isinstance(job.result, TrainResult), job.problem
        assert job.result.feature_columns == ["amount", "country", "member", "born", "seen"]
        assert job.result.ignored_columns == ["label"]
        evaluated = await service.finished(await service.submit("detectors/forest/evaluate", dataset_id="orders"))
        assert isinstance(evaluated.result, EvaluateResult), evaluated.problem
        assert evaluated.result.roc_auc > 0.9
        await service.peers.add_dataset("later", orders(20, country=["Peru"] * 20), target=None)
        scored = await service.finished(await service.submit("detect/batch", dataset_id="later", model_id="forest"))
        assert isinstance(scored.result, DetectBatchResult), scored.problem
        assert scored.result.n_rows == 20
    scorer = Scorer(open_artefact(service.peers.versions[-1][1], trusted=service.peers.trusted))
    assert scorer.manifest.preprocessing["settings"] == {**RAW, "max_categories": 32, "unknown": "other", "columns": {}}
    assert "country=Atlantis" in scorer.manifest.preprocessing["features"]
    assert [column.type for column in scorer.manifest.columns] == ["number", "string", "boolean", "date", "datetime"]


async def test_a_missing_value_is_refused_by_default_and_the_refusal_says_what_to_set(service: Any) -> None:
    async with service.worker():
        job = await trained(service, orders())
    assert (job.state, job.problem.type) == ("failed", "/problems/data-unfit")
    assert "column 'amount' has a missing value, first in row 11" in job.problem.detail
    assert "preprocessing.missing to median or indicator" in job.problem.detail


@pytest.mark.parametrize(
    ("settings", "change", "words"),
    [
        ({"unknown": "reject"}, {"country": ["Peru"] * 20}, "column 'country', row 1: 'Peru' is a category that the"),
        ({"columns": {"amount": {"missing": "reject"}}}, {}, "column 'amount', row 11: a value is missing"),
        ({}, {"country": list(range(20))}, "column 'country' holds integer values; the model learned from string"),
    ],
)
async def test_rows_that_the_model_does_not_take_fail_the_job_and_name_column_and_row(
    service: Any, settings: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    async with service.worker():
        whole = orders().set_column(0, "amount", pa.array(np.linspace(1.0, 2.0, 120)))
        job = await trained(service, whole, preprocessing=RAW | settings)
        assert job.state == "succeeded", job.problem
        await service.peers.add_dataset("later", orders(20, **change), target=None)
        failed = await service.finished(await service.submit("detect/batch", dataset_id="later", model_id="forest"))
    assert failed.problem is not None
    assert (failed.state, failed.problem.type) == ("failed", "/problems/data-unfit")
    assert words in failed.problem.detail


async def test_a_data_set_without_one_of_the_models_columns_is_refused_at_once(service: Any) -> None:
    async with service.worker():
        assert (await trained(service, orders(), preprocessing=RAW)).state == "succeeded"
    await service.peers.add_dataset("later", orders(20).drop_columns(["country"]), target=None)
    refused = await service.client.post("/api/v1/detect/batch", json={"dataset_id": "later", "model_id": "forest"})
    assert refused.status_code == 422
    assert [problem["value"] for problem in refused.json()["errors"]] == ["country"]


async def test_a_detector_shows_its_settings_and_a_change_replaces_them_all(service: Any) -> None:
    created = await service.create_detector(preprocessing={"missing": "median", "scaling": "robust"})
    assert (created["preprocessing"]["missing"], created["preprocessing"]["scaling"]) == ("median", "robust")
    changed = await service.client.patch("/api/v1/detectors/forest", json={"preprocessing": {"dates": "parts"}})
    replaced = created["preprocessing"] | {"missing": "reject", "scaling": "none", "dates": "parts"}
    assert changed.json()["preprocessing"] == replaced
    kept = await service.client.patch("/api/v1/detectors/forest", json={"seed": 3})
    assert kept.json()["preprocessing"] == changed.json()["preprocessing"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"missing": "mean"}, "body.preprocessing.missing"),
        ({"impute": "median"}, "body.preprocessing.impute"),
        ({"max_categories": 0}, "body.preprocessing.max_categories"),
        ({"columns": {"age": {"scale": "none"}}}, "body.preprocessing.columns.age.scale"),
    ],
)
async def test_a_setting_that_does_not_exist_is_refused_by_name(
    service: Any, settings: dict[str, Any], field: str
) -> None:
    body = {"name": "raw", "algorithm": "HBOS", "preprocessing": settings}
    refused = await service.client.post("/api/v1/detectors", json=body)
    assert refused.status_code == 422
    assert [problem["field"] for problem in refused.json()["errors"]] == [field]


def test_a_job_that_was_asked_for_before_there_were_raw_columns_still_says_what_to_do() -> None:
    spec = TrainSpec.model_validate(
        {
            "dataset_id": "01890000-0000-7000-8000-000000000001",
            "dataset_version": "1",
            "feature_columns": ["a"],
            "detector_name": "old",
            "algorithm": "IForest",
            "contamination": 0.1,
            "parameters": {},
            "seed": 0,
            "ignored_columns": [],
        }
    )
    assert (spec.columns, spec.preprocessing.missing) == ([], "reject")
