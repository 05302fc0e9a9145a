"""What the gateway answers itself, against its own description."""

from pynomaly_suite.conformance import check_conformance


async def test_the_gateways_own_operations_answer_as_the_openapi_document_says(door: str) -> None:
    assert {"/status", "/health/live"} <= await check_conformance(door)
