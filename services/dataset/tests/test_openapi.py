"""The API against its own description: whatever the schema allows, or forbids, is answered as described."""

from collections.abc import Awaitable, Callable

import httpx
from fastapi import FastAPI
from pynomaly_suite.conformance import check_conformance
from pynomaly_suite.served import served


async def test_every_operation_answers_as_the_openapi_document_says(
    app: FastAPI, upload: Callable[..., Awaitable[httpx.Response]]
) -> None:
    await upload(b"a,b,y\n1,x,0\n2,,1\n", name="thyroid", target_column="y")  # the name of the parameter's example
    async with served(app, lifespan="off") as url:
        assert "/api/v1/datasets/{dataset}/rows" in await check_conformance(url)
