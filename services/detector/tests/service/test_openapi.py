"""The API against its own description: whatever the schema allows, or forbids, is answered as described."""

from typing import Any

from pynomaly_suite.conformance import check_conformance
from pynomaly_suite.served import served


async def test_every_operation_answers_as_the_openapi_document_says(service: Any) -> None:
    await service.create_detector()
    async with served(service.app, lifespan="off") as url:
        assert "/api/v1/detect/batch" in await check_conformance(url)
