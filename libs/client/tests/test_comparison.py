"""Detectors cloned, trained again and compared, by the SDK and by the command."""

import json
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID

import pytest
from pynomaly import AsyncClient, Client
from pynomaly.cli.app import run
from pynomaly.cli.comparison import METRICS
from pynomaly.errors import InvalidInput
from pynomaly_contracts.evaluations import Metric

if TYPE_CHECKING:
    from .conftest import Peer

ID = "01890000-0000-7000-8000-000000000001"
NOW = "2026-01-01T00:00:00Z"
FIGURES = {
    "roc_auc": 0.962,
    "average_precision": 0.7,
    "precision_at_n": 0.6,
    "f1": 0.5,
    "n_anomalies": 12,
    "intervals": {"roc_auc": [0.941, 0.979]},
}
EVALUATION = {
    "id": ID,
    "detector_id": ID,
    "model_id": ID,
    "model_version": "2",
    "dataset_id": ID,
    "dataset_version": "1",
    "target_column": "label",
    "source": "evaluation",
    "metrics": FIGURES,
    "threshold": 0.5,
    "n_rows": 240,
    "n_anomalies": 12,
    "is_paired": True,
    "made_at": NOW,
    "job_id": ID,
}
FIRST = {"place": 1, "detector_id": ID, "name": "forest", "algorithm": "IForest", "evaluation": EVALUATION}
SECOND = {**FIRST, "place": 2, "name": "noise", "difference": -0.2, "difference_interval": [-0.31, -0.09]}
MISSING = {"detector_id": ID, "name": "fresh", "reason": "it is not trained", "path": "/api/v1/detectors/fresh/train"}
COMPARISON = {
    "dataset_id": ID,
    "dataset_name": "points",
    "dataset_version": "1",
    "target_column": "label",
    "metric": "roc_auc",
    "is_higher_better": True,
    "items": [FIRST, SECOND],
    "missing": [MISSING],
    "winner": ID,
    "verdict": "forest is the best in roc_auc",
}


@pytest.fixture
def suite(peer: "Peer", monkeypatch: pytest.MonkeyPatch) -> "Peer":
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    monkeypatch.setenv("COLUMNS", "300")
    return peer


def test_detectors_are_compared_by_names_and_ids(peer: "Peer", says: Any) -> None:
    peer.says("GET", "/api/v1/detectors/compare", says(COMPARISON))
    with Client(peer.url) as client:
        found = client.detectors.compare(["forest", UUID(ID)], "points", metric="f1")
    assert peer.asked[0].query == {"ids": [f"forest,{ID}"], "dataset_id": ["points"], "metric": ["f1"]}
    assert found.items[1].difference_interval == (-0.31, -0.09)
    assert found.missing[0].name == "fresh"


async def test_the_awaited_client_compares_and_lists_evaluations(peer: "Peer", says: Any) -> None:
    peer.says("GET", "/api/v1/detectors/compare", says(COMPARISON))
    peer.says("GET", "/api/v1/detectors/forest/evaluations", says({"items": [EVALUATION]}))
    async with AsyncClient(peer.url) as client:
        assert (await client.detectors.compare(["forest", "noise"], "points")).winner == UUID(ID)
        found = [each async for each in client.detectors.evaluations("forest", model_version="2")]
    assert [each.metrics.roc_auc for each in found] == [0.962]
    assert peer.asked[1].query == {"limit": ["100"], "model_version": ["2"]}


def test_a_clone_sends_what_is_changed_alone(peer: "Peer", says: Any, bodies: Any) -> None:
    peer.says("POST", "/api/v1/detectors/forest/clone", says(bodies["detector"](cloned_from=ID), 201))
    with Client(peer.url) as client:
        assert client.detectors.clone("forest", "twin", seed=4).cloned_from == UUID(ID)
        with pytest.raises(InvalidInput, match="trees"):
            client.detectors.clone("forest", "twin", trees=4)
    assert [asked.json() for asked in peer.asked] == [{"name": "twin", "changes": {"seed": 4}}]
    assert "idempotency-key" in peer.asked[0].headers


def test_a_retraining_names_a_data_set_only_where_one_is_said(peer: "Peer", says: Any) -> None:
    peer.says("POST", "/api/v1/detectors/forest/retrain", says({"job_id": ID}, 202))
    with Client(peer.url) as client:
        client.detectors.retrain("forest")
        client.detectors.retrain("forest", "points", dataset_version="2")
    assert [asked.json() for asked in peer.asked] == [{}, {"dataset_id": "points", "dataset_version": "2"}]


def test_the_command_prints_the_verdict_the_table_and_what_is_missing(suite: "Peer", says: Any, capsys: Any) -> None:
    suite.says("GET", "/api/v1/detectors/compare", says(COMPARISON))
    assert run(["detectors", "compare", "forest", "noise", "fresh", "--dataset", "points"]) == 0
    shown = capsys.readouterr()
    assert "points version 1: forest is the best in roc_auc" in shown.out
    assert "0.962 [0.941, 0.979]" in shown.out
    assert "-0.200 [-0.310, -0.090]" in shown.out
    assert "fresh: it is not trained; pynomaly detectors train fresh points --dataset-version 1" in shown.err


def test_the_command_prints_json_for_programs(suite: "Peer", says: Any, capsys: Any) -> None:
    suite.says("GET", "/api/v1/detectors/compare", says(COMPARISON))
    suite.says("GET", "/api/v1/detectors/forest/evaluations", says({"items": [EVALUATION]}))
    assert run(["detectors", "compare", "forest", "noise", "--dataset", "points", "--metric", "f1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["winner"] == ID
    assert run(["detectors", "evaluations", "forest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["source"] == "evaluation"


def test_evaluations_are_a_table_for_people(suite: "Peer", says: Any, capsys: Any) -> None:
    suite.says("GET", "/api/v1/detectors/forest/evaluations", says({"items": [EVALUATION]}))
    assert run(["detectors", "evaluations", "forest"]) == 0
    assert "0.962 [0.941, 0.979]" in capsys.readouterr().out


async def test_both_clients_delete_one_evaluation(peer: "Peer", says: Any) -> None:
    peer.says("DELETE", f"/api/v1/detectors/forest/evaluations/{ID}", says(status=204))
    async with AsyncClient(peer.url) as client:
        await client.detectors.delete_evaluation("forest", UUID(ID))
    with Client(peer.url) as blocking:
        blocking.detectors.delete_evaluation("forest", ID)
    assert len(peer.asked) == 2


def test_the_command_deletes_an_evaluation_and_leaves_its_detector(suite: "Peer", says: Any, capsys: Any) -> None:
    suite.says("DELETE", f"/api/v1/detectors/forest/evaluations/{ID}", says(status=204))
    assert run(["detectors", "delete", "forest", "--evaluation", ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": f"forest {ID}"}
    assert len(suite.asked) == 1


def test_the_command_knows_every_metric() -> None:
    assert get_args(Metric) == METRICS


def test_a_metric_that_is_none_is_refused_before_anything_is_sent(suite: "Peer", capsys: Any) -> None:
    assert run(["detectors", "compare", "a", "b", "--dataset", "points", "--metric", "luck"]) == 2
    assert "'luck' is none of roc_auc, average_precision" in capsys.readouterr().err
    assert suite.asked == []


def test_the_command_clones_by_another_algorithm_with_its_defaults(suite: "Peer", says: Any, bodies: Any) -> None:
    suite.says("POST", "/api/v1/detectors/forest/clone", says(bodies["detector"](), 201))
    assert run(["detectors", "clone", "forest", "tails", "--algorithm", "HBOS", "--json"]) == 0
    assert suite.asked[0].json() == {"name": "tails", "changes": {"algorithm": "HBOS", "parameters": {}}}


def test_the_command_trains_again_without_a_data_set(suite: "Peer", says: Any, bodies: Any) -> None:
    suite.says("POST", "/api/v1/detectors/forest/retrain", says({"job_id": ID}, 202))
    suite.says("GET", f"/api/v1/jobs/{ID}", says(bodies["job"]()))
    assert run(["detectors", "retrain", "forest", "--no-wait", "--json"]) == 0
    assert suite.asked[0].json() == {}


def test_the_command_tells_line_by_line_how_a_version_differs(
    suite: "Peer", says: Any, bodies: Any, capsys: Any
) -> None:
    before = {"model_version": "1", "threshold": 0.4, "metrics": FIGURES, "agreement": 0.975, "n_compared": 240}
    result = {**bodies["job"]()["result"], "before": before}
    suite.says("POST", "/api/v1/detectors/forest/retrain", says({"job_id": ID}, 202))
    suite.says("GET", f"/api/v1/jobs/{ID}", says(bodies["job"](result=result)))
    assert run(["detectors", "retrain", "forest"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["before.agreement", "0.975"] in shown
    assert ["before.metrics.roc_auc", "0.962", "[0.941,", "0.979]"] in shown
    assert not [line for line in shown if line[:1] == ["warnings"]]
