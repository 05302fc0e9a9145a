"""An API against its own description. For tests: needs schemathesis, which the suite itself does not."""

import asyncio
from collections.abc import Callable
from typing import Any

import schemathesis

# Loaded here, as it loads itself lazily: two threads that parse Python at once trip over CPython 3.11 (gh-106905).
import schemathesis.specs.openapi.schemas
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pynomaly_contracts.media import PARQUET, ZIP
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Err, Result

CHECKED = [
    "not_a_server_error",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
]


def _as_it_is(_: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else getattr(value, "data", str(value).encode())


for _media_type in (PARQUET, ZIP):  # bodies, or parts of them, that a case may choose
    schemathesis.serializer(_media_type)(_as_it_is)


async def check_conformance(url: str, *, max_examples: int = 20) -> set[str]:
    """Send what the description of the service at `url` allows, and what it forbids, always the same cases.

    max_examples: cases per operation. Returns the paths; raises on the first case that is answered otherwise than
    described, or with a 5xx.
    """
    return await asyncio.to_thread(_check_conformance, url, max_examples)


def _check_conformance(url: str, max_examples: int) -> set[str]:
    load_all_checks()
    described = schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()
    operations = [_described(result) for result in described]
    for operation in operations:
        modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
        _test_of(st.one_of(modes), max_examples)()
    return {operation.path for operation in operations}


def _described(result: Result[Any, Any]) -> Any:
    """The operation. Raises where the document contradicts itself, of which nothing could be tried."""
    if isinstance(result, Err):
        raise result.err()
    return result.ok()


def _test_of(cases: st.SearchStrategy[schemathesis.Case[Any]], max_examples: int) -> Callable[[], None]:
    checks: Any = CHECKS.get_by_names(CHECKED)

    @seed(1)
    @settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def is_answered_as_described(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=checks)

    return is_answered_as_described
