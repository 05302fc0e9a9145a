"""What a service does when time or places run out, over a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pynomaly_chassis.app import create_service, json_router
from pynomaly_chassis.database import Database
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKey, IdempotencyKeys, fingerprint
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.pressure import TurnAway
from pynomaly_chassis.problem_handlers import ErrorForms
from pynomaly_chassis.settings import ServiceSettings
from pynomaly_resilience import Resilience, ResilienceSettings, remaining_s
from pynomaly_resilience.asgi import LoadShedMiddleware
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

NOTES = sa.table("notes", sa.column("id", sa.Uuid), sa.column("text"))
SLOWLY = {"x-request-deadline-ms": "300"}


class Job(BaseModel):
    """What the service of this test does: write, then let the database sleep."""

    text: str
    sleep_s: float = 0.0


class Gate:
    """Where handlers wait until the test lets them go."""

    def __init__(self) -> None:
        self.opened, self.n_inside, self._changed = asyncio.Event(), 0, asyncio.Condition()

    async def passed(self) -> None:
        async with self._changed:
            self.n_inside += 1
            self._changed.notify_all()
        await self.opened.wait()

    async def reached_by(self, n: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.n_inside >= n)


@pytest.fixture
def gate() -> Gate:
    return Gate()


Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serve(settings: ServiceSettings, database: Database, keys: IdempotencyKeys, gate: Gate) -> Serve:
    router = json_router("/jobs", "jobs")

    @router.post("", status_code=201)
    async def create(job: Job, key: IdempotencyKey = None) -> Response:
        async def work(claim: Claim) -> CreatedAnswer:
            answer = CreatedAnswer(job)
            async with database.transaction() as connection:
                await connection.execute(sa.insert(NOTES).values(id=new_id(), text=job.text))
                await connection.execute(sa.select(sa.func.pg_sleep(job.sleep_s)))
                await claim.finish(connection, answer)
            return answer

        content = fingerprint(job.text)
        return await keys.once(key, tenant_id="t", route="POST /jobs", content=content, work=work)

    @router.get("")
    async def wait() -> dict[str, str]:
        await gate.passed()
        return {}

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun "
            await gate.passed()
            yield str(remaining_s()).encode()

        return StreamingResponse(pieces())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def served(resilience: Resilience | None = None, **changes: object) -> AsyncIterator[httpx.AsyncClient]:
        changed = settings.model_copy(update=changes)
        vitals = Vitals(changed, database, HttpMetrics(CollectorRegistry()), resilience=resilience or Resilience())
        upload = json_router("/uploads", "uploads")

        @upload.put("")
        async def receive(request: Request) -> dict[str, int]:
            await gate.passed()
            return {"n_bytes": len(await request.body())}

        app = create_service(vitals, title="jobs", description="", routers=[router, upload], lifespan=lifespan)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://jobs") as client:
            yield client

    return served


async def texts(database: Database) -> list[str]:
    async with database.transaction() as connection:
        return list(await connection.scalars(sa.select(NOTES.c.text)))


async def test_a_handler_that_is_cancelled_in_mid_transaction_leaves_nothing_behind(
    serve: Serve, database: Database
) -> None:
    headers = {**SLOWLY, "idempotency-key": "once", "x-request-id": "abc"}
    async with serve() as client:
        late = await client.post("/api/v1/jobs", json={"text": "a", "sleep_s": 30}, headers=headers)
        assert (late.status_code, late.json()["type"]) == (504, "/problems/too-late")
        assert (late.headers["content-type"], late.json()["instance"]) == ("application/problem+json", "abc")
        assert await texts(database) == []
        assert database.pool_use()["connections_active"] == 0
        again = await client.post("/api/v1/jobs", json={"text": "a"}, headers={"idempotency-key": "once"})
        assert again.status_code == 201
    assert await texts(database) == ["a"]


async def test_work_that_is_late_already_is_refused_before_it_begins(serve: Serve, database: Database) -> None:
    async with serve() as client:
        late = await client.post("/api/v1/jobs", json={"text": "a"}, headers={"x-request-deadline-ms": "0"})
    assert (late.status_code, late.json()["title"]) == (504, "The caller's time ran out")
    assert await texts(database) == []


async def test_a_deadline_that_is_no_number_is_a_problem_of_the_request(serve: Serve) -> None:
    async with serve() as client:
        wrong = await client.get("/api/v1/jobs", headers={"x-request-deadline-ms": "soon"})
    assert (wrong.status_code, wrong.json()["type"]) == (400, "/problems/bad-deadline")
    assert "'soon'" in wrong.json()["detail"]


async def test_an_answer_that_has_begun_outlives_its_deadline(serve: Serve, gate: Gate) -> None:
    async with serve() as client:
        asyncio.get_running_loop().call_later(0.2, gate.opened.set)
        streamed = await client.get("/api/v1/jobs/stream", headers={"x-request-deadline-ms": "100"})
    assert streamed.text == "begun inf"


async def test_what_could_not_be_served_in_time_is_refused_and_health_uploads_and_streams_are_not(
    serve: Serve, gate: Gate
) -> None:
    async with serve(max_concurrent_requests=1, max_queue_wait_s=0.05) as client:
        running = [asyncio.create_task(client.get("/api/v1/jobs"))]
        await gate.reached_by(1)
        refused = await client.get("/api/v1/jobs", headers={"x-request-id": "abc"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (refused.json()["type"], refused.json()["instance"]) == ("/problems/too-busy", "abc")
        for path in ("/health", "/ready", "/status", "/metrics"):
            assert (await client.get(path)).status_code == 200
        for path in ("/v2/health/live", "/ping"):
            assert (await client.get(path)).status_code == 404  # asked, though this service has none
        large = {"content": b" " * 100_000, "headers": {"content-type": "application/json"}}
        running.append(asyncio.create_task(client.put("/api/v1/uploads", **large)))  # type: ignore[arg-type]
        await gate.reached_by(2)
        gate.opened.set()
        assert [(await task).status_code for task in running] == [200, 200]
        assert (await client.get("/api/v1/jobs/stream")).status_code == 200


async def test_batch_work_comes_after_what_somebody_waits_for(serve: Serve, gate: Gate) -> None:
    order: list[str] = []

    async def ask(name: str, headers: dict[str, str]) -> None:
        assert (await client.get("/api/v1/jobs", headers=headers)).status_code == 200
        order.append(name)

    async with serve(max_concurrent_requests=1, max_queue_wait_s=20.0) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(ask("first", {}))
        await gate.reached_by(1)
        tasks.create_task(ask("batch", {"x-pynomaly-priority": "batch"}))
        tasks.create_task(ask("interactive", {}))
        asyncio.get_running_loop().call_later(0.1, gate.opened.set)  # when both have come
    assert order == ["first", "interactive", "batch"]


async def test_switched_off_nothing_is_refused_for_its_load_and_deadlines_stay(serve: Serve, gate: Gate) -> None:
    off = Resilience(settings=ResilienceSettings(enabled=False))
    async with serve(off, max_concurrent_requests=1, max_queue_wait_s=0.01) as client:
        running = [asyncio.create_task(client.get("/api/v1/jobs")) for _ in range(3)]
        await gate.reached_by(3)
        gate.opened.set()
        assert [(await task).status_code for task in running] == [200] * 3
        assert (await client.get("/api/v1/jobs", headers={"x-request-deadline-ms": "0"})).status_code == 504


async def test_a_crowd_at_a_path_of_another_protocol_is_turned_away_in_its_form(gate: Gate) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.passed()
        await Response("done")(scope, receive, send)

    shedding = LoadShedMiddleware(app, max_concurrent=1, max_wait_s=5.0)
    forms = ErrorForms({"/v2": lambda error, _: Response(f"no: {error}", error.status, None, "text/plain")})
    door = TurnAway(shedding, shedding, HttpMetrics(CollectorRegistry()), "jobs/1", forms)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://jobs") as client:
        taken_in = [asyncio.create_task(client.get("/")) for _ in range(2)]
        await gate.reached_by(1)
        shedding.queue.service_s = 3.0
        theirs, ours = await client.get("/v2/models"), await client.get("/v20")
        gate.opened.set()
        assert [(await task).status_code for task in taken_in] == [200, 200]
    assert (theirs.text, theirs.headers["retry-after"]) == ("no: more requests wait than can be served in time", "6")
    assert ours.headers["content-type"] == "application/problem+json"


async def test_a_crowd_is_turned_away_before_all_else_with_the_same_problem_and_counted(gate: Gate) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.passed()
        await Response("done")(scope, receive, send)

    shedding = LoadShedMiddleware(app, max_concurrent=1, max_wait_s=5.0)
    metrics = HttpMetrics(CollectorRegistry())
    door = TurnAway(shedding, shedding, metrics, "jobs/1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://jobs") as client:
        taken_in = [asyncio.create_task(client.get("/")) for _ in range(2)]
        await gate.reached_by(1)
        shedding.queue.service_s = 3.0
        with capture_logs() as events:
            crowd = [await client.post("/", json={}, headers={"x-request-id": "abc"}) for _ in range(3)]
        gate.opened.set()
        assert [(await task).status_code for task in taken_in] == [200, 200]
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in crowd] == [(503, "6")] * 3
    assert (crowd[0].json()["type"], crowd[0].json()["instance"]) == ("/problems/too-busy", "abc")
    assert (crowd[0].headers["x-request-id"], crowd[0].headers["x-pynomaly-version"]) == ("abc", "jobs/1")
    assert [event["event"] for event in events] == ["requests.refused"]
    labels = {"method": "POST", "route": "unmatched", "status": "503"}
    assert metrics.registry.get_sample_value("pynomaly_requests_total", labels) == 3
