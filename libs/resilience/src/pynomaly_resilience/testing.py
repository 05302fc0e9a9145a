"""For tests of what stands on this library: a clock that moves when told, and a peer that fails on cue."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from aiohttp import web

from pynomaly_resilience.events import CallEvent
from pynomaly_resilience.resilience import Resilience
from pynomaly_resilience.settings import ResilienceSettings

Step = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class FakeClock:
    """Monotonic seconds that only `advance` moves."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, by_s: float) -> None:
        """Let `by_s` seconds pass."""
        self.now_s += by_s

    async def asleep(self, by_s: float) -> None:
        """`asyncio.sleep` on this clock: at once, and others get their turn."""
        self.advance(by_s)
        await asyncio.sleep(0)


def instant(
    clock: FakeClock | None = None,
    *,
    on_event: Callable[[CallEvent], None] | None = None,
    settings: ResilienceSettings | None = None,
) -> Resilience:
    """Resilience that never waits: pauses pass on the fake clock at once."""
    now = clock or FakeClock()
    return Resilience(clock=now, sleep=now.advance, asleep=now.asleep, on_event=on_event, settings=settings)


def respond(
    status: int = 200, body: bytes = b"{}", *, delay_s: float = 0.0, headers: Mapping[str, str] | None = None
) -> Step:
    """An answer of JSON bytes, its headers `delay_s` seconds late."""

    async def step(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(delay_s)
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    return step


def hang() -> Step:
    """No answer for as long as the caller holds on."""

    async def step(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets the event")

    return step


def reset() -> Step:
    """The connection is reset after the request was read."""

    async def step(request: web.BaseRequest) -> web.StreamResponse:
        _reset(request)
        return web.Response()

    return step


def half_body(body: bytes = b'{"half":', *, then_hang: bool = False) -> Step:
    """Good headers and the beginning of a body, then a reset, or silence."""

    async def step(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(2 * len(body))})
        await response.prepare(request)
        await response.write(body)
        if then_hang:
            await asyncio.Event().wait()
        _reset(request)
        return response

    return step


def _reset(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is not None:
        linger_none = struct.pack("ii", 1, 0)  # closing then sends RST in place of FIN
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
        transport.abort()


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived, its body whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FaultServer:
    """An HTTP peer on loopback that takes one step of its script per request; the last one repeats.

        async with FaultServer(respond(503), reset(), respond()) as peer: ... peer.url ...

    A step is any coroutine function from request to response. seen: the requests whose bodies have arrived.
    n_waiting: those among them not yet answered.
    """

    def __init__(self, *script: Step) -> None:
        self.seen: list[Seen] = []
        self.n_waiting = 0
        self._script: Sequence[Step] = script or (respond(),)
        self._n_steps = 0
        self._changed = asyncio.Condition()
        self._port = 0

    @property
    def url(self) -> str:
        """http://127.0.0.1:port, the same after `refuse` and `accept`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def n_connections(self) -> int:
        """Connections that are open now, idle ones included."""
        server = self._runner.server
        return 0 if server is None else len(server.connections)

    def play(self, *script: Step) -> None:
        """Go on with another script."""
        self._script = script
        self._n_steps = 0

    async def accept(self) -> None:
        """Listen; at first on a free port, later on the same."""
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Drop every connection and refuse new ones."""
        await self._runner.cleanup()

    async def wait_until(self, is_so: Callable[[FaultServer], bool]) -> None:
        """Return once `is_so(self)`; looked at whenever a request arrives, is answered or given up."""
        async with self._changed:
            await self._changed.wait_for(lambda: is_so(self))

    async def __aenter__(self) -> FaultServer:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        step = self._script[min(self._n_steps, len(self._script) - 1)]
        self._n_steps += 1
        self.seen.append(Seen(request.method, request.path_qs, dict(request.headers), body))
        await self._count(1)
        try:
            return await step(request)
        finally:
            await self._count(-1)

    async def _count(self, change: int) -> None:
        async with self._changed:
            self.n_waiting += change
            self._changed.notify_all()
