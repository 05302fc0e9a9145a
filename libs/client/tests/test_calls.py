"""How a call becomes an answer: retries, keys, errors, pages, the hook."""

import asyncio
import socket
import time
from typing import Any

import pytest
from pynomaly import AsyncClient, Client, Exchange, errors

DATASET = "/api/v1/datasets/thyroid"


def test_answers_are_the_contracts_models(peer, bodies, says) -> None:
    peer.says("GET", DATASET, says(bodies["dataset"]()))
    with Client(peer.url) as client:
        dataset = client.datasets.get("thyroid")
    assert (dataset.name, dataset.feature_columns) == ("thyroid", ["a", "b"])


async def test_the_asynchronous_client_gives_the_same_answers(peer, bodies, says) -> None:
    peer.says("GET", DATASET, says(bodies["dataset"]()))
    peer.says("GET", "/api/v1/datasets", says({"items": [bodies["dataset"]()]}))
    async with AsyncClient(peer.url) as client:
        one = await client.datasets.get("thyroid")
        assert [dataset async for dataset in client.datasets.list()] == [one]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_get_is_tried_four_times_while_the_suite_is_unavailable(peer, bodies, says, refuses, status: int) -> None:
    peer.says("GET", DATASET, refuses(status), refuses(status), refuses(status), says(bodies["dataset"]()))
    with Client(peer.url) as client:
        assert client.datasets.get("thyroid").name == "thyroid"
    assert len(peer.asked) == 4


def test_the_fourth_failure_is_the_last(peer, refuses) -> None:
    peer.says("GET", DATASET, refuses(503))
    with Client(peer.url) as client, pytest.raises(errors.Unavailable):
        client.datasets.get("thyroid")
    assert len(peer.asked) == 4


def test_a_create_repeats_its_idempotency_key_and_another_create_has_another(peer, bodies, says) -> None:
    peer.says("POST", "/api/v1/detectors", says(hangs_up=True), says(bodies["detector"](), 201))
    with Client(peer.url) as client:
        client.detectors.create("thyroid", "IForest")
        client.detectors.create("thyroid", "IForest")
    first, again, other = (asked.headers["idempotency-key"] for asked in peer.asked)
    assert first == again != other


def test_a_create_waits_for_its_first_request_that_still_runs(peer, bodies, says, refuses) -> None:
    in_use = refuses(409, kind="/problems/idempotency-key-in-use")
    peer.says("POST", "/api/v1/detectors", in_use, says(bodies["detector"](), 201))
    with Client(peer.url) as client:
        assert client.detectors.create("thyroid", "IForest").name == "thyroid"


def test_a_post_without_a_key_is_never_repeated(peer, says) -> None:
    peer.says("POST", "/api/v1/models/thyroid/load", says(hangs_up=True))
    with Client(peer.url) as client, pytest.raises(errors.ConnectionFailed):
        client.models.load("thyroid")
    assert len(peer.asked) == 1
    assert "idempotency-key" not in peer.asked[0].headers


def test_predict_changes_nothing_and_is_repeated_without_a_key(peer, bodies, says, refuses) -> None:
    peer.says("POST", "/api/v1/predict/batch", refuses(503), says(bodies["batch"](1)))
    with Client(peer.url) as client:
        client.predict_batch([[1.0]])
    assert [("idempotency-key" in asked.headers) for asked in peer.asked] == [False, False]


def test_retry_after_is_waited_for(peer, bodies, says, refuses) -> None:
    peer.says("GET", DATASET, refuses(503, retry_after=1), says(bodies["dataset"]()))
    told: list[Exchange] = []
    with Client(peer.url, on_request=told.append) as client:
        begun = time.monotonic()
        client.datasets.get("thyroid")
    assert time.monotonic() - begun >= 1.0
    assert [exchange.attempt for exchange in told] == [1, 2]


def test_a_retry_after_beyond_patience_is_told_at_once(peer, refuses) -> None:
    peer.says("GET", DATASET, refuses(503, retry_after=3600))
    with Client(peer.url) as client, pytest.raises(errors.Unavailable) as refused:
        client.datasets.get("thyroid")
    assert refused.value.retry_after_s == 3600
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.ValidationFailed),
        (401, errors.NotAuthenticated),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (415, errors.ValidationFailed),
        (422, errors.ValidationFailed),
        (429, errors.TooManyRequests),
        (500, errors.ApiError),
    ],
)
def test_each_problem_is_an_exception_of_its_own(peer, refuses, status: int, kind: type[errors.ApiError]) -> None:
    peer.says("GET", DATASET, refuses(status, detail="because"))
    with Client(peer.url) as client, pytest.raises(errors.ApiError) as refused:
        client.datasets.get("thyroid")
    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.problem.detail) == (status, "because")


def test_the_message_names_field_and_value(peer, refuses) -> None:
    wrong = {"field": "body.parameters.trees", "message": "unknown; use n_estimators", "value": 7}
    peer.says("POST", "/api/v1/detectors", refuses(422, errors=[wrong]))
    with Client(peer.url) as client, pytest.raises(errors.ValidationFailed) as refused:
        client.detectors.create("thyroid", "IForest", parameters={"trees": 7})
    assert "body.parameters.trees: unknown; use n_estimators (was 7)" in str(refused.value)


def test_a_proxys_page_becomes_a_problem_with_its_text(peer, says) -> None:
    peer.says("GET", DATASET, says(b"<h1>teapot</h1>", 418))
    with Client(peer.url) as client, pytest.raises(errors.ApiError) as refused:
        client.datasets.get("thyroid")
    assert refused.value.problem.detail == "<h1>teapot</h1>"


def test_another_programs_answer_is_told_from_the_suites(peer, says) -> None:
    peer.says("GET", "/health", says(b"<html>hello</html>"))
    with Client(peer.url) as client, pytest.raises(errors.UnexpectedAnswer, match="is it a Pynomaly suite"):
        client.health()


def test_nobody_at_the_url_names_the_url_and_the_fix() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        with Client(url) as client, pytest.raises(errors.ConnectionFailed, match="pynomaly up") as failed:
            client.status()
    assert url in str(failed.value)


def test_silence_ends_after_timeout_s() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout_s=0.05) as client, pytest.raises(errors.TimedOut, match=r"0\.05 s"):
            client.status()


async def test_cancelling_a_call_ends_it_without_a_retry() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with AsyncClient(f"http://127.0.0.1:{silent.getsockname()[1]}") as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.datasets.get("thyroid")


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://localhost", "http://"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(errors.InvalidInput, match=r"http://127\.0\.0\.1:8080"):
        Client(url)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"contamination": 0.6}, "contamination: 0.6"),
        ({"contamination": 0}, "contamination: 0"),
        ({"seed": -1}, "seed: -1"),
    ],
)
def test_what_the_contract_forbids_is_refused_before_it_is_sent(peer, fields: dict[str, Any], named: str) -> None:
    with Client(peer.url) as client, pytest.raises(errors.InvalidInput, match=named):
        client.detectors.create("thyroid", "IForest", **fields)
    assert peer.asked == []


def test_a_name_never_becomes_another_path(peer) -> None:
    with Client(peer.url) as client:
        with pytest.raises(errors.NotFound):
            client.datasets.get("a/../b?c")
        with pytest.raises(errors.InvalidInput, match="id or a name"):
            client.datasets.get("")
    assert peer.asked[0].path == "/api/v1/datasets/a%2F..%2Fb%3Fc"


def test_a_list_fetches_its_next_page_only_when_it_is_needed(peer, bodies, says) -> None:
    first = {"items": [bodies["dataset"](name="a"), bodies["dataset"](name="b")], "next_cursor": "more"}
    peer.says("GET", "/api/v1/datasets", says(first), says({"items": [bodies["dataset"](name="c")]}))
    with Client(peer.url) as client:
        names = (dataset.name for dataset in client.datasets.list())
        assert [next(names), next(names)] == ["a", "b"]
        assert len(peer.asked) == 1
        assert list(names) == ["c"]
    assert [asked.query.get("cursor") for asked in peer.asked] == [None, ["more"]]


def test_the_hook_sees_method_path_body_status_and_duration(peer, bodies, says) -> None:
    peer.says("POST", "/api/v1/detectors", says(bodies["detector"](), 201))
    told: list[Exchange] = []
    with Client(peer.url, on_request=told.append) as client:
        client.detectors.create("thyroid", "IForest", seed=7)
    (exchange,) = told
    assert (exchange.method, exchange.path, exchange.status) == ("POST", "/api/v1/detectors", 201)
    assert exchange.sent == '{"name":"thyroid","algorithm":"IForest","seed":7}'
    assert exchange.duration_ms > 0


def test_an_unhealthy_suite_still_says_how_it_is(peer, says) -> None:
    unhealthy = {
        "status": "unhealthy",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": "0.1.0",
        "uptime_seconds": 1.0,
        "active_connections": 0,
        "memory_usage_mb": 1.0,
        "checks": {"database": "failed", "filesystem": "ok"},
    }
    peer.says("GET", "/health", says(unhealthy, 503))
    with Client(peer.url) as client:
        assert client.health().checks.database == "failed"


def test_a_problem_whose_detail_begins_with_its_title_says_it_once(peer, refuses) -> None:
    peer.says("GET", DATASET, refuses(404, detail="refused: not today"))
    with Client(peer.url) as client, pytest.raises(errors.NotFound, match=r"^refused: not today$"):
        client.datasets.get("thyroid")


@pytest.mark.parametrize("place", [0, 1])
def test_a_whole_resource_where_its_id_belongs_is_refused_with_what_to_give(peer, bodies, says, place: int) -> None:
    peer.says("GET", DATASET, says(bodies["dataset"]()))
    with Client(peer.url) as client:
        refs: list[Any] = ["thyroid", "thyroid"]
        refs[place] = client.datasets.get("thyroid")
        with pytest.raises(errors.InvalidInput, match=r"a Dataset is no id and no name; give its \.id"):
            client.detectors.train(*refs)
    assert len(peer.asked) == 1


def test_a_finding_is_said_without_the_checkers_own_words(peer) -> None:
    with Client(peer.url) as client, pytest.raises(errors.InvalidInput, match=": fractions must sum to 1"):
        client.datasets.split("thyroid", {"a": 0.9, "b": 0.9})


def test_what_is_taken_away_from_a_data_set_is_said_and_what_stays_is_not(peer, bodies, says) -> None:
    peer.says("PATCH", DATASET, says(bodies["dataset"]()))
    with Client(peer.url) as client:
        client.datasets.update("thyroid", target_column=None)
    assert peer.asked[0].json() == {"target_column": None}


def test_comparisons_go_into_the_query(peer, says) -> None:
    peer.says("GET", f"{DATASET}/rows", says({"x": 1}))
    with Client(peer.url) as client:
        assert client.datasets.rows("thyroid", filters=["x>0", "y="])[0] == {"x": 1}
    assert peer.asked[0].query["filter"] == ["x>0", "y="]
