"""What every service does with a request."""

import httpx
import orjson
import pytest
from pynomaly_chassis.problems import MAX_VALUE_CHARS, Invalid, problem_response
from pynomaly_chassis.settings import ServiceSettings, load_settings
from pynomaly_contracts.problems import FieldProblem

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "/problems/malformed-body"),
        (b"\xff", 400, "/problems/malformed-body"),
        (b"[" * 100_000, 400, "/problems/malformed-body"),
        (b'{"text": NaN}', 422, "/problems/validation"),
        (b'{"text": 1e400}', 422, "/problems/validation"),
        (b'{"text": 99999999999999999999}', 422, "/problems/validation"),
        (b"{}", 422, "/problems/validation"),
        (b'{"text": "a", "text": "b"}', 422, "/problems/validation"),
        (b"x" * (2**20 + 1), 413, "/problems/body-too-large"),
    ],
)
async def test_a_body_that_cannot_be_used_is_a_problem(
    client: httpx.AsyncClient, body: bytes, status: int, kind: str
) -> None:
    answer = await client.post("/api/v1/notes", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == kind


async def test_a_body_that_grows_past_the_cap_is_refused_though_it_declared_nothing(client: httpx.AsyncClient) -> None:
    async def endless() -> object:
        for _ in range(40):
            yield b" " * 65536

    answer = await client.post("/api/v1/notes", content=endless(), headers=JSON)  # type: ignore[arg-type]
    assert answer.status_code == 413


async def test_a_content_type_that_is_not_json_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/notes", content=b"{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


async def test_a_problem_names_field_value_and_request(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/notes", json={"text": 7}, headers={"x-request-id": "abc"})
    assert answer.headers["x-request-id"] == "abc"
    assert answer.json()["instance"] == "abc"
    assert answer.json()["errors"] == [{"field": "body.text", "message": "Input should be a valid string", "value": 7}]


def test_a_problem_can_say_anything_of_what_was_sent() -> None:
    half = FieldProblem(field="body.\ud800", message="not \ud800", value=[["\ud800"] * 1000] * 1000)
    answer = problem_response(Invalid("about \ud800", errors=[half]))
    body = orjson.loads(answer.body)
    assert body["detail"] == "about ?"
    assert (body["errors"][0]["field"], body["errors"][0]["message"]) == ("body.?", "not ?")
    assert len(body["errors"][0]["value"]) == MAX_VALUE_CHARS + 1


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/api/v1/notes", 405)])
async def test_what_is_not_there_is_a_problem(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_defect_is_a_500_problem_that_tells_nothing_of_the_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/notes/broken")
    assert answer.status_code == 500
    assert "a defect" not in answer.text
    assert answer.json()["instance"] == answer.headers["x-request-id"]


async def test_health_has_the_promised_fields(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()
    assert health.keys() == {
        "status", "timestamp", "version", "uptime_seconds", "loaded_models", "active_connections", "memory_usage_mb",
        "checks",
    }  # fmt: skip
    assert health["status"] == "healthy"
    assert health["checks"] == {"database": "ok", "redis": "not_configured", "filesystem": "not_configured"}
    assert health["active_connections"] == 1


@pytest.mark.parametrize("path", ["/ready", "/health/ready"])
async def test_ready_asks_the_database(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "dependencies": {"database": True}})


async def test_status_and_database_health_tell_the_schema(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "alive"}
    assert (await client.get("/health/db")).json()["schema_revision"] == "0002"
    status = (await client.get("/status")).json()
    assert (status["service"], status["status"]) == ("notes", "ok")


async def test_requests_are_counted_by_route_under_both_promised_names(client: httpx.AsyncClient) -> None:
    await client.post("/api/v1/notes", json={"text": "a"})
    metrics = (await client.get("/metrics")).text
    labels = '{method="POST",route="/api/v1/notes",status="201"} 1.0'
    assert f"pynomaly_requests_total{labels}" in metrics
    assert f"http_requests_total{labels}" in metrics
    assert 'http_request_duration_seconds_bucket{le="+Inf",method="POST",route="/api/v1/notes"}' in metrics


async def test_openapi_says_that_every_operation_may_answer_a_problem(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    responses = schema["paths"]["/api/v1/notes"]["post"]["responses"]
    assert responses.keys() == {"201", "4XX", "5XX"}
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_a_wrong_setting_ends_the_process_with_2_and_its_name(
    clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clean_environment.setenv("SERVICE_NAME", "x")
    clean_environment.setenv("PORT", "99999")
    clean_environment.setenv("DATABASE_URL", "mysql://root:secret@db/x")
    with pytest.raises(SystemExit) as ended:
        load_settings(ServiceSettings)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert "PORT: Input should be less than or equal to 65535 (given: '99999')" in told
    assert "DATABASE_URL" in told
    assert "secret" not in told


async def test_a_database_that_is_gone_is_503_and_not_ready(client_without_database: httpx.AsyncClient) -> None:
    assert (await client_without_database.get("/ready")).status_code == 503
    refused = await client_without_database.post("/api/v1/notes", json={"text": "a"})
    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/database-unavailable"
    assert refused.headers["retry-after"] == "1"
    assert (await client_without_database.get("/status")).json()["status"] == "unhealthy"
