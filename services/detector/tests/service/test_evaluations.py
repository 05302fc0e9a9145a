"""Evaluations that are kept, and detectors compared by them."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from detector_service.evaluation.figures import compare, confusion
from detector_service.evaluation.metrics import FloatVector, judge, rank
from detector_service.evaluation.paired import paired_figures
from detector_service.repository import Repository
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.evaluations import NO_CLEAR_WINNER, Comparison, Evaluation
from pynomaly_contracts.jobs import EvaluateResult, TrainResult

if TYPE_CHECKING:
    from .conftest import Service

MODEL = UUID("01890000-0000-7000-8000-00000000000a")
COMPARE = "/api/v1/detectors/compare"


class Stage:
    """Detectors whose scores on the same 240 rows are made up, and kept as evaluations are."""

    def __init__(self, service: "Service", repository: Repository, dataset: Dataset) -> None:
        self.service, self.repository, self.dataset = service, repository, dataset
        self.labels = np.repeat([True, False], [12, 228])

    def scores(self, skill: float, seed: int) -> FloatVector:
        """skill: how far anomalies stand out, in standard deviations."""
        return np.random.default_rng(seed).normal(size=240) + skill * self.labels

    async def detector(self, name: str, version: str = "1", **fields: Any) -> UUID:
        """One that has a model."""
        detector_id = UUID((await self.service.create_detector(name, **fields))["id"])
        async with self.repository.transaction() as tx:
            await tx.detectors.mark_trained("default", detector_id, MODEL, version)
        return detector_id

    async def evaluated(
        self, detector_id: UUID, scores: FloatVector, source: str = "evaluation", **fields: Any
    ) -> None:
        called = scores > 2.0
        verdicts = judge(self.labels, called)
        values = {
            "detector_id": detector_id,
            "model_id": MODEL,
            "model_version": "1",
            "dataset_id": self.dataset.id,
            "dataset_version": "1",
            "target_column": "label",
            "source": source,
            "metrics": compare(rank(self.labels, scores), verdicts, seed=0),
            "paired": paired_figures(self.labels, scores, called).document(),
            "threshold": 2.0,
            "confusion": confusion(verdicts).model_dump(),
            "n_rows": 240,
            "n_anomalies": 12,
            "job_id": new_id(),
        }
        async with self.repository.transaction() as tx:
            await tx.evaluations.add("default", values | fields)

    async def rivals(self, **skills: float) -> None:
        for seed, (name, skill) in enumerate(skills.items()):
            await self.evaluated(await self.detector(name), self.scores(skill, seed))


@pytest.fixture
async def stage(service: "Service", repository: Repository, make_rows: Any) -> Stage:
    return Stage(service, repository, await service.peers.add_dataset("points", make_rows()))


async def compared(service: "Service", ids: str, **query: str) -> Comparison:
    answer = await service.client.get(COMPARE, params={"ids": ids, "dataset_id": "points", **query})
    assert answer.status_code == 200, answer.text
    return Comparison.model_validate(answer.json())


async def evaluations(service: "Service", name: str, **query: str) -> list[Evaluation]:
    answer = await service.client.get(f"/api/v1/detectors/{name}/evaluations", params=query)
    assert answer.status_code == 200, answer.text
    return [Evaluation.model_validate(item) for item in answer.json()["items"]]


async def job_result(service: "Service", job_id: UUID) -> Any:
    return (await service.client.get(f"/api/v1/jobs/{job_id}")).json()["result"]


async def test_a_training_on_labels_and_an_evaluation_are_kept_and_compared(service: "Service", make_rows: Any) -> None:
    await service.peers.add_dataset("points", make_rows())
    for name in ("forest", "twin"):
        await service.create_detector(name)
    async with service.worker_here():
        for name in ("forest", "twin"):
            await service.finished(await service.submit(f"detectors/{name}/train", dataset_id="points"))
        await service.finished(await service.submit("detectors/forest/evaluate", dataset_id="points"))
    evaluated, trained = await evaluations(service, "forest")
    assert [each.source for each in (evaluated, trained)] == ["evaluation", "training"]
    told = EvaluateResult.model_validate(await job_result(service, evaluated.job_id))
    assert evaluated.metrics.model_dump() == {name: getattr(told, name) for name in evaluated.metrics.model_fields_set}
    assert (evaluated.confusion, evaluated.n_rows, evaluated.n_anomalies) == (told.confusion, 240, 12)
    assert (evaluated.model_version, evaluated.dataset_version, evaluated.target_column) == ("1", "1", "label")
    assert trained.metrics == TrainResult.model_validate(await job_result(service, trained.job_id)).metrics
    assert "paired" not in await job_result(service, evaluated.job_id)
    found = await compared(service, "twin,forest")
    assert [item.evaluation.source for item in found.items] == ["evaluation", "training"]
    assert [item.difference_interval for item in found.items] == [None, (0.0, 0.0)]
    assert found.verdict.startswith(NO_CLEAR_WINNER)


async def test_evaluations_are_listed_by_pages_and_chosen_by_version_and_data_set(stage: Stage) -> None:
    forest = await stage.detector("forest")
    await stage.evaluated(forest, stage.scores(2, 0), source="training")
    await stage.evaluated(forest, stage.scores(2, 0))
    path = "/api/v1/detectors/forest/evaluations"
    first = (await stage.service.client.get(path, params={"limit": 1})).json()
    rest = (await stage.service.client.get(path, params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [page["items"][0]["source"] for page in (first, rest)] == ["evaluation", "training"]
    assert rest["next_cursor"] is None
    assert await evaluations(stage.service, "forest", model_version="2") == []
    assert await evaluations(stage.service, "forest", dataset_id=str(new_id())) == []
    chosen = {"model_version": "1", "dataset_id": str(stage.dataset.id)}
    assert len(await evaluations(stage.service, "forest", **chosen)) == 2


async def test_the_better_of_two_wins_with_the_interval_of_the_difference(stage: Stage) -> None:
    await stage.rivals(noise=0.0, forest=4.0)
    found = await compared(stage.service, "noise,forest")
    assert [item.name for item in found.items] == ["forest", "noise"]
    assert found.winner == found.items[0].detector_id
    assert found.verdict.startswith("forest is the best in roc_auc")
    first, second = found.items
    assert (first.place, second.place, first.difference, first.difference_interval) == (1, 2, None, None)
    assert second.difference is not None
    assert second.difference_interval is not None
    assert second.difference == pytest.approx(second.evaluation.metrics.roc_auc - first.evaluation.metrics.roc_auc)
    assert second.difference_interval[0] < second.difference < second.difference_interval[1] < 0


async def test_of_two_that_are_about_as_good_none_is_called_the_winner(stage: Stage) -> None:
    await stage.rivals(forest=2.0, neighbours=2.1, noise=0.0)
    found = await compared(stage.service, "forest,neighbours,noise", metric="average_precision")
    assert found.winner is None
    assert found.verdict == (
        f"{NO_CLEAR_WINNER}: {found.items[0].name} is first in average_precision, but the 95 % interval of its "
        f"difference holds 0 for {found.items[1].name}"
    )


async def test_false_alarms_rank_the_fewest_first(stage: Stage) -> None:
    forest, noise = await stage.detector("forest"), await stage.detector("noise")
    await stage.evaluated(forest, stage.scores(3, 0))
    await stage.evaluated(noise, stage.scores(3, 0) + 1.5)
    found = await compared(stage.service, "noise,forest", metric="false_alarm_rate")
    assert [item.name for item in found.items] == ["forest", "noise"]
    assert not found.is_higher_better
    assert found.winner == forest


async def test_a_newer_evaluation_counts_before_an_older_one_and_before_any_training(stage: Stage) -> None:
    forest = await stage.detector("forest")
    await stage.evaluated(forest, stage.scores(1, 1))
    await stage.evaluated(forest, stage.scores(3, 2))
    await stage.evaluated(forest, stage.scores(5, 3), source="training")
    await stage.rivals(noise=0.0)
    newest = (await evaluations(stage.service, "forest"))[1]
    found = await compared(stage.service, "forest,noise")
    assert found.items[0].evaluation == newest


async def test_who_has_no_evaluation_is_named_with_the_call_that_makes_one(stage: Stage) -> None:
    await stage.rivals(forest=2.0)
    await stage.service.create_detector("fresh")
    await stage.service.create_detector("chains", algorithm="COF", parameters={})
    stale = await stage.detector("stale", version="3")
    await stage.evaluated(stale, stage.scores(2, 1))
    found = await compared(stage.service, "fresh,forest,chains,stale")
    assert [item.name for item in found.items] == ["forest"]
    assert found.verdict == "nothing to compare with: only forest has an evaluation on these rows"
    fresh, chains, missing = found.missing
    body = {"dataset_id": "points", "dataset_version": "1"}
    assert (fresh.method, fresh.path, fresh.body) == ("POST", "/api/v1/detectors/fresh/train", body)
    assert (chains.path, chains.body) == (None, None)
    assert missing.reason == "version 3 is not evaluated on points version 1"
    assert (missing.path, missing.body) == ("/api/v1/detectors/stale/evaluate", body)


async def test_labels_of_another_column_are_another_question(stage: Stage) -> None:
    await stage.rivals(forest=2.0)
    other = await stage.detector("other")
    await stage.evaluated(other, stage.scores(2, 1), target_column="was_label")
    found = await compared(stage.service, "forest,other")
    assert [each.name for each in found.missing] == ["other"]


async def test_samples_of_other_rows_give_no_interval_and_no_winner(stage: Stage) -> None:
    await stage.rivals(forest=4.0)
    noise = await stage.detector("noise")
    await stage.evaluated(noise, stage.scores(0, 1), paired=None)
    found = await compared(stage.service, "noise,forest")
    assert (found.items[1].difference_interval, found.winner) == (None, None)
    assert not found.items[1].evaluation.is_paired
    assert found.verdict.startswith(NO_CLEAR_WINNER)
    assert "of noise there are no samples of the same rows: evaluate again" in found.verdict


async def test_a_browser_gets_a_page_with_the_intervals_as_a_plot(stage: Stage) -> None:
    await stage.rivals(noise=0.0, forest=4.0)
    query = {"ids": "noise,forest", "dataset_id": "points"}
    answer = await stage.service.client.get(COMPARE, params=query, headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["vary"] == "accept"
    assert "<svg" in answer.text
    assert "forest is the best in roc_auc" in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("query", "status", "field", "value"),
    [
        pytest.param({"ids": "forest,nobody"}, 404, "query.ids", "nobody", id="unknown detector"),
        pytest.param({"ids": "forest"}, 422, "query.ids", "forest", id="one detector"),
        pytest.param({"ids": ",".join(map(str, range(21)))}, 422, "query.ids", None, id="too many"),
        pytest.param({"ids": "forest,forest"}, 422, "query.ids", "forest", id="the same one twice"),
        pytest.param({"ids": "forest,"}, 404, "query.ids", "", id="an empty name"),
        pytest.param(
            {"ids": "forest,noise", "dataset_id": "nowhere"}, 404, "query.dataset_id", "nowhere", id="unknown data set"
        ),
        pytest.param(
            {"ids": "forest,noise", "dataset_version": "9"}, 404, "query.dataset_version", "9", id="unknown version"
        ),
        pytest.param({"ids": "forest,noise", "metric": "luck"}, 422, "query.metric", "luck", id="unknown metric"),
    ],
)
async def test_a_comparison_that_cannot_be_is_refused_by_field(
    stage: Stage, query: dict[str, str], status: int, field: str, value: str | None
) -> None:
    await stage.rivals(forest=2.0, noise=0.0)
    answer = await stage.service.client.get(COMPARE, params={"dataset_id": "points", **query})
    assert answer.status_code == status, answer.text
    (wrong,) = answer.json()["errors"]
    assert wrong["field"] == field
    assert value is None or wrong["value"] == value


async def test_evaluations_of_what_is_no_version_are_not_looked_for(stage: Stage) -> None:
    await stage.detector("forest")
    answer = await stage.service.client.get("/api/v1/detectors/forest/evaluations", params={"model_version": "1\0"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.model_version"


async def test_a_deleted_evaluation_is_gone_and_the_one_before_it_counts(stage: Stage) -> None:
    await stage.rivals(other=0.5)
    forest = await stage.detector("forest")
    for seed in (0, 1):
        await stage.evaluated(forest, stage.scores(2, seed))
    newer, older = await evaluations(stage.service, "forest")
    path = f"/api/v1/detectors/{{name}}/evaluations/{newer.id}".format
    of_another = await stage.service.client.delete(path(name="other"))
    assert (of_another.status_code, of_another.json()["type"]) == (404, "/problems/evaluation-not-found")
    assert (await stage.service.client.delete(path(name="forest"))).status_code == 204
    assert await evaluations(stage.service, "forest") == [older]
    found = await compared(stage.service, "forest,other")
    assert older.id in {item.evaluation.id for item in found.items}
    again = await stage.service.client.delete(path(name="forest"))
    assert (again.status_code, again.json()["errors"][0]["field"]) == (404, "path.evaluation_id")


async def test_evaluations_of_a_deleted_detector_are_swept_and_those_of_others_stay(stage: Stage) -> None:
    await stage.rivals(forest=2, other=1)
    await stage.service.client.delete("/api/v1/detectors/forest")
    async with stage.repository.transaction() as tx:
        assert await tx.evaluations.forget_unreachable() == 1
    await stage.repository.forget(timedelta(days=30))
    assert len(await evaluations(stage.service, "other")) == 1
