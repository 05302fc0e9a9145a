"""The API against its own description: whatever the schema allows, or forbids, is answered as described."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@asynccontextmanager
async def listening(service: Any) -> AsyncIterator[str]:
    """The fixture's application on a port of its own; its lifespan is the fixture's."""
    server = uvicorn.Server(uvicorn.Config(service.app, lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


def probe(url: str) -> int:
    """Sends cases of every operation; how many operations there were. Raises on the first that is answered wrongly."""
    described = schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()
    operations = [result.ok() for result in described if isinstance(result, Ok)]
    for operation in operations:
        modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @seed(1)
        @settings(
            max_examples=20,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(modes))
        def answer_as_described(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(checks=CHECKS)

        answer_as_described()
    return len(operations)


async def test_every_operation_answers_as_the_openapi_document_says(service: Any) -> None:
    await service.create_detector()
    async with listening(service) as url:
        assert await asyncio.to_thread(probe, url) >= 20
