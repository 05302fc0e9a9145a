"""Detectors set up as others."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Service

SETTINGS: dict[str, Any] = {
    "contamination": 0.05,
    "feature_columns": ["a", "b"],
    "preprocessing": {"missing": "median"},
    "threshold": {"method": "precision", "target": 0.9},
    "seed": 3,
    "description": "the first one",
}


async def clone(service: "Service", name: str, **changes: Any) -> dict[str, Any]:
    answer = await service.client.post("/api/v1/detectors/forest/clone", json={"name": name, "changes": changes})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/detectors/{answer.json()['id']}"
    return dict(answer.json())


async def test_a_clone_has_all_that_was_set_up_and_tells_of_whom_it_is_one(service: "Service") -> None:
    forest = await service.create_detector(**SETTINGS)
    twin = await clone(service, "twin")
    its_own = {"id", "name", "created_at", "updated_at", "cloned_from"}
    assert {name: twin[name] for name in twin.keys() - its_own} == {
        name: forest[name] for name in forest.keys() - its_own
    }
    assert (twin["name"], twin["cloned_from"], forest["cloned_from"]) == ("twin", forest["id"], None)
    assert (await service.client.get("/api/v1/detectors/twin")).json() == twin


async def test_a_clone_differs_where_that_is_said(service: "Service") -> None:
    await service.create_detector(**SETTINGS)
    changes = {"seed": 4, "parameters": {"n_estimators": 20}, "description": None, "contamination": None}
    other = await clone(service, "other", **changes)
    assert (other["seed"], other["parameters"], other["description"]) == (4, {"n_estimators": 20}, None)
    assert (other["contamination"], other["threshold"]) == (0.05, SETTINGS["threshold"])


async def test_another_algorithm_needs_its_own_parameters_said(service: "Service") -> None:
    await service.create_detector(**SETTINGS)
    body = {"name": "tails", "changes": {"algorithm": "HBOS"}}
    refused = await service.client.post("/api/v1/detectors/forest/clone", json=body)
    assert refused.status_code == 422
    (wrong,) = refused.json()["errors"]
    assert wrong["field"] == "body.changes.parameters"
    assert "'forest' (n_estimators) are those of IForest; say those of HBOS, or {} for its defaults" in wrong["message"]
    tails = await clone(service, "tails", algorithm="HBOS", parameters={})
    assert (tails["algorithm"], tails["parameters"]) == ("HBOS", {})
    answer = await service.client.post(
        "/api/v1/detectors/tails/clone", json={"name": "again", "changes": {"algorithm": "ECOD"}}
    )
    assert answer.status_code == 201  # there are no parameters that could be lost


async def test_a_clone_of_a_trained_detector_is_not_trained(service: "Service", make_rows: Any) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    async with service.worker_here():
        await service.finished(await service.submit("detectors/forest/train", dataset_id="points"))
    twin = await clone(service, "twin")
    assert (twin["state"], twin["model_id"], twin["latest_version"]) == ("untrained", None, None)


async def test_a_clone_that_is_asked_for_twice_with_one_key_is_made_once(service: "Service") -> None:
    await service.create_detector()
    sent: dict[str, Any] = {"json": {"name": "twin"}, "headers": {"idempotency-key": "k1"}}
    first, second = [await service.client.post("/api/v1/detectors/forest/clone", **sent) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


@pytest.mark.parametrize(
    ("source", "body", "status", "field"),
    [
        pytest.param("nobody", {"name": "twin"}, 404, "path.detector", id="of nobody"),
        pytest.param("forest", {"name": "forest"}, 409, "body.name", id="of a name that is taken"),
        pytest.param("forest", {"name": "compare"}, 422, "body.name", id="of a reserved name"),
        pytest.param(
            "forest",
            {"name": "t", "changes": {"algorithm": "Luck"}},
            422,
            "body.changes.algorithm",
            id="by no algorithm",
        ),
        pytest.param(
            "forest",
            {"name": "t", "changes": {"parameters": {"n_trees": 1}}},
            422,
            "body.changes.parameters.n_trees",
            id="with a parameter that is none",
        ),
        pytest.param(
            "forest",
            {"name": "t", "changes": {"feature_columns": ["a", "a"]}},
            422,
            "body.changes.feature_columns",
            id="with a column twice",
        ),
        pytest.param("forest", {"name": "t", "changes": {"trees": 1}}, 422, "body.changes.trees", id="with a typo"),
    ],
)
async def test_a_clone_is_refused_by_field(
    service: "Service", source: str, body: dict[str, Any], status: int, field: str
) -> None:
    await service.create_detector()
    answer = await service.client.post(f"/api/v1/detectors/{source}/clone", json=body)
    assert answer.status_code == status, answer.text
    assert [wrong["field"] for wrong in answer.json()["errors"]] == [field]
