"""Applications that tests serve in their own process."""

import signal
from contextlib import AsyncExitStack
from typing import Any

import httpx
from pynomaly_suite.served import served


async def hello(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_servers_that_end_in_any_order_leave_ctrl_c_to_the_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        urls = [await stack.enter_async_context(served(hello, lifespan="off")) for stack in (first, second)]
        async with httpx.AsyncClient(timeout=60) as http:
            assert [(await http.get(url)).text for url in urls] == ["hello"] * 2
        await first.aclose()
    assert signal.getsignal(signal.SIGINT) is before
