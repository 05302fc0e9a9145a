"""Who is calling."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request runs."""

    tenant_id: str


# Until tokens are issued a suite has one tenant; everything below the routes takes the tenant by parameter.
DEFAULT_CALLER = Caller(tenant_id="default")


def _caller() -> Caller:
    return DEFAULT_CALLER


CurrentCaller = Annotated[Caller, Depends(_caller)]
