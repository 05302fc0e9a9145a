"""JSON bodies in which every key counts: Python's parser would keep the last of two and say nothing."""

import json
from collections import Counter
from typing import Any

from fastapi import Request

from pynomaly_chassis.problems import Invalid


class StrictRequest(Request):
    """A request whose JSON has no key twice."""

    async def json(self) -> Any:
        """The body's value. Raises Invalid (422) where a key is given twice, ValueError where it is no JSON."""
        return json.loads(await self.body(), object_pairs_hook=unique_object)


def unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of its members in order. Raises Invalid (422) where a key is given twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise Invalid.field("body", twice, "this key is given twice in one object; send it once")
    return value
