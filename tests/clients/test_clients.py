"""Clients that others wrote, unmodified, get the scores that our own SDK gets."""

from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[[str], dict[str, Any]]
Scores = dict[str, list[Any]]
PROGRAMS = ["triton_http", "triton_grpc", "triton_aio", "kserve_rest", "mlserver_types"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_client_of_the_open_inference_protocol_gets_the_scores_of_our_sdk(
    ask: Ask, own: Scores, program: str
) -> None:
    found = ask(program)["scores"]

    assert found
    for how, scores in found.items():
        assert {"raw_score", "prediction", "is_anomaly"} <= scores.keys(), how
        for name, values in scores.items():
            assert values == pytest.approx(own[name], rel=1e-9), f"{how}: {name}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["triton_http", "triton_grpc", "kserve_rest"])
def test_a_client_is_told_which_model_there_is_not(ask: Ask, program: str) -> None:
    assert "no-such-model" in ask(program)["refusal"]


@pytest.mark.timeout(600)
def test_a_request_without_inputs_is_refused_in_a_form_that_mlserver_reads(ask: Ask) -> None:
    assert "inputs" in ask("mlserver_types")["refusal"]


@pytest.mark.timeout(600)
def test_a_kserve_v1_client_gets_the_scores_of_our_sdk(ask: Ask, own: Scores) -> None:
    for how, predictions in ask("kserve_rest")["predictions"].items():
        assert [row["raw_score"] for row in predictions] == pytest.approx(own["raw_score"], rel=1e-9), how


@pytest.mark.timeout(600)
def test_mlflows_scoring_client_gets_the_scores_of_our_sdk(ask: Ask, own: Scores) -> None:
    for how, columns in ask("mlflow_scoring")["predictions"].items():
        assert columns["raw_score"] == pytest.approx(own["raw_score"], rel=1e-9), how
        assert columns["is_anomaly"] == own["is_anomaly"], how


@pytest.mark.timeout(600)
def test_mlflows_scoring_client_is_told_which_column_is_wrong(ask: Ask) -> None:
    assert "f0" in ask("mlflow_scoring")["refusal"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["triton_raw", "mlserver_raw", "kserve_raw"])
def test_rows_with_texts_and_missing_numbers_get_the_scores_of_our_sdk(
    ask: Ask, own_of_raw: Scores, program: str
) -> None:
    for how, scores in ask(program)["scores"].items():
        for name, wanted in own_of_raw.items():
            assert scores[name] == pytest.approx(wanted, rel=1e-9), f"{how}: {name}"


@pytest.mark.timeout(600)
def test_a_frame_with_texts_and_missing_numbers_gets_the_scores_of_our_sdk(ask: Ask, own_of_raw: Scores) -> None:
    found = ask("mlflow_scoring")["raw"]

    assert found["raw_score"] == pytest.approx(own_of_raw["raw_score"], rel=1e-9)
