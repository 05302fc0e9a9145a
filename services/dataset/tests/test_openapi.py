"""The API against its own description: whatever the schema allows, or forbids, is answered as described."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import schemathesis
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

CHECKED = [
    "not_a_server_error",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
]


@schemathesis.serializer("application/vnd.apache.parquet")  # a case may choose it for the file's part
def as_it_is(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else getattr(value, "data", str(value).encode())


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """The fixture's application on a port of its own; its lifespan is the fixture's."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    serving = asyncio.create_task(server.main_loop())
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving
    await server.shutdown()


def probe(url: str) -> set[str]:
    """Sends cases of every operation; the paths there were. Raises on the first that is answered wrongly."""
    load_all_checks()
    checks: Any = CHECKS.get_by_names(CHECKED)
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
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
            case.call_and_validate(checks=checks)

        answer_as_described()
    return {operation.path for operation in operations}


async def test_every_operation_answers_as_the_openapi_document_says(
    app: FastAPI, upload: Callable[..., Awaitable[httpx.Response]]
) -> None:
    await upload(b"a,b,y\n1,x,0\n2,,1\n", name="thyroid", target_column="y")  # the name of the parameter's example
    async with listening(app) as url:
        paths = await asyncio.to_thread(probe, url)
    assert "/api/v1/datasets/{dataset}/rows" in paths
