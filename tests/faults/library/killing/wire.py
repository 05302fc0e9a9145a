"""Calls that outlive the service they ask: each is sent again, under its key, until it is answered for good."""

import asyncio
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from pynomaly_contracts.headers import IDEMPOTENCY_KEY

IN_USE = "/problems/idempotency-key-in-use"
N_AT_ONCE = 4
PATIENCE_S, JOB_PATIENCE_S = 180.0, 600.0


@dataclass(frozen=True)
class Answer:
    """The first answer that says what became of the call; n_sent: how often it was asked."""

    status: int
    body: bytes
    n_sent: int

    def json(self) -> Any:
        return orjson.loads(self.body)


class Wire:
    """A service as its clients see it, a few of them at a time."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._turns = asyncio.Semaphore(N_AT_ONCE)
        self._begun: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.alive = asyncio.Event()
        self.alive.set()
        self.statuses: dict[int, int] = defaultdict(int)
        self.n_cut = 0

    async def send(
        self, kind: str, method: str, path: str, *, key: str | None = None, headers: Any = None, **body: Any
    ) -> Answer:
        """Raises AssertionError at a 5xx that is no 503, TimeoutError after three minutes without an answer."""
        sent = dict(headers or {}) | ({IDEMPOTENCY_KEY: key} if key else {})
        async with asyncio.timeout(PATIENCE_S):
            for n_sent in itertools.count(1):
                answer = await self._once(kind, method, path, {"headers": sent, **_fresh(body)})
                if answer is not None:
                    return Answer(*answer, n_sent)
        raise AssertionError("it counts without end")

    async def every(self, path: str) -> list[dict[str, Any]]:
        """The items of all pages of a list."""
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await self.send("get", "GET", f"{path}?limit=100{cursor}")).json()
            items += page["items"]
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
        return items

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended. TimeoutError after ten minutes."""
        async with asyncio.timeout(JOB_PATIENCE_S):
            for _ in itertools.count():
                job: dict[str, Any] = (await self.send("get", "GET", f"/api/v1/jobs/{job_id}")).json()
                if job["finished_at"] is not None:
                    return job
                await asyncio.sleep(0.2)
        raise AssertionError("it counts without end")

    async def begun(self, kind: str, within_s: float) -> None:
        """Return at the start of the next call of the kind, or after `within_s` where there is none."""
        self._begun[kind].clear()
        try:
            async with asyncio.timeout(within_s):
                await self._begun[kind].wait()
        except TimeoutError:
            return

    async def _once(self, kind: str, method: str, path: str, call: Any) -> tuple[int, bytes] | None:
        """Status and body; None where it must be asked again."""
        await self.alive.wait()
        pause_s = 0.1
        async with self._turns:
            self._begun[kind].set()
            try:
                async with self._http.request(method, self._url + path, **call) as answer:
                    content = await answer.read()
            except (aiohttp.ClientError, OSError):
                self.n_cut += 1
            else:
                self.statuses[answer.status] += 1
                if not _is_for_later(answer.status, content):
                    assert answer.status < 500, f"{method} {path}: {answer.status} {content[:500]!r}"
                    return answer.status, content
                pause_s = 0.5  # its first try still has the key
        await asyncio.sleep(pause_s)
        return None


def _is_for_later(status: int, content: bytes) -> bool:
    return status == 503 or (status == 409 and orjson.loads(content)["type"] == IN_USE)


def _fresh(body: Any) -> Any:
    """aiohttp reads a form once only."""
    return {"data": _form(body["form"])} if "form" in body else body


def _form(fields: dict[str, str | bytes]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in fields.items():
        if isinstance(value, bytes):
            form.add_field(name, value, filename=f"{name}.csv", content_type="text/csv")
        else:
            form.add_field(name, value)
    return form
