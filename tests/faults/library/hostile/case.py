"""One hostile request, and what its answer must say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Case:
    """A request to a service; `body` may be made anew each time, so that it is never held.

    says: what the answer names, in any case of letters. taken: whether it may be accepted, as flipped bits that
    happened to be of a value; a refusal must then still be one.
    """

    name: str
    path: str
    body: bytes = b""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    taken: bool = False


def of_json(name: str, path: str, value: Any, *, method: str = "POST", says: str = "", taken: bool = False) -> Case:
    """A body of JSON; text is sent as it is."""
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return Case(name, path, body, method, {"content-type": JSON}, says, taken)
