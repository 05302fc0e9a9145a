"""Who is calling."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request runs."""

    tenant_id: str


# Until tokens are issued a suite has one tenant; everything below the routes takes the tenant by parameter.
_DEFAULT_CALLER = Caller(tenant_id="default")


def caller_of(_: Request) -> Caller:
    """The one place that says who is calling; for routes without dependencies, too."""
    return _DEFAULT_CALLER


CurrentCaller = Annotated[Caller, Depends(caller_of)]
