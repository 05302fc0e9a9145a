"""An application of this process on a port of its own. For tests: needs uvicorn, which the suite itself does not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import uvicorn

MAX_MESSAGE_BYTES = 4 * 2**20


class _Announced(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process, which has more to do than to serve this."""
        yield


@asynccontextmanager
async def served(app: Any, *, lifespan: Literal["on", "off"], websockets: bool = False) -> AsyncIterator[str]:
    """Its address while the block runs. `lifespan` "off": somebody else has opened the application, and closes it."""
    ws: Literal["none", "websockets-sansio"] = "websockets-sansio" if websockets else "none"
    server = _Announced(uvicorn.Config(app, log_config=None, lifespan=lifespan, ws=ws, ws_max_size=MAX_MESSAGE_BYTES))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it on sockets of its own making
        serving = asyncio.create_task(server.serve([listener]))
        await server.listening.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
