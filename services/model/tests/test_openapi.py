"""The API against its own description: whatever the schema allows, or forbids, is answered as described."""

import pytest
from fastapi import FastAPI
from pynomaly_suite.conformance import check_conformance
from pynomaly_suite.served import served


@pytest.mark.timeout(600)
async def test_every_operation_answers_as_the_openapi_document_says(app: FastAPI, client, make_artefact) -> None:
    await client.post(  # the examples' model and its features, so that some cases are scored
        "/api/v1/models/thyroid/versions",
        content=make_artefact(),
        headers={"content-type": "application/zip"},
    )
    # The tests' one database may know a default whose bytes lie in another test's folder.
    await client.put("/api/v1/models/default", json={"model_id": "thyroid"})
    async with served(app, lifespan="off") as url:
        assert "/api/v1/predict/batch" in await check_conformance(url)
