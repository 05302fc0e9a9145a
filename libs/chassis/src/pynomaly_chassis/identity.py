"""Who is calling."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request runs."""

    tenant_id: str


# Until tokens are issued a suite has one tenant; everything below the routes takes the tenant by parameter.
_DEFAULT_CALLER = Caller(tenant_id="default")


def caller_in(_: Mapping[str, str]) -> Caller:
    """The one place that says who is calling, by the headers of a request or the metadata of a call."""
    return _DEFAULT_CALLER


def caller_of(request: Request) -> Caller:
    """Who is calling; for routes without dependencies, too."""
    return caller_in(request.headers)


CurrentCaller = Annotated[Caller, Depends(caller_of)]
