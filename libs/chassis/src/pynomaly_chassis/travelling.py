"""Headers that travel: what a request brought goes with every call that it causes, through any number of services."""

from collections.abc import Mapping
from contextvars import ContextVar

from pynomaly_contracts.headers import TRAVELLING
from starlette.types import Scope

Headers = Mapping[str, str]
_NAMES = {name.encode(): name for name in TRAVELLING}
_MAX_BYTES = 1024
_CARRIED: ContextVar[Headers] = ContextVar("carried", default={})  # noqa: B039 - nobody writes to it


def carried() -> Headers:
    """What a call made now sends on; a job that is written down now keeps it."""
    return _CARRIED.get()


class carrying:  # noqa: N801 - read as a verb: with carrying(headers)
    """For the block, and for the tasks and threads that begin in it, calls send these on."""

    __slots__ = ("_headers", "_token")

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __enter__(self) -> None:
        self._token = _CARRIED.set(self._headers)

    def __exit__(self, *_: object) -> None:
        _CARRIED.reset(self._token)


def travelling(scope: Scope) -> dict[str, str]:
    """What of a request's headers travels; the first 1 KiB of each."""
    return {_NAMES[name]: value[:_MAX_BYTES].decode("latin-1") for name, value in scope["headers"] if name in _NAMES}
