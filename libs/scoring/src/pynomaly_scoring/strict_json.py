"""JSON read strictly: no duplicate key, no NaN, no overflow, no half of a character, no bool for a number."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
MAX_DEPTH = 32  # whoever copies or prints the value recurses


def parse(document: bytes) -> object:
    """The document's value. ValueError: not UTF-8, not JSON, a duplicate key, a non-finite number, too deep
    (MAX_DEPTH)."""
    try:
        value = json.loads(
            document.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_whole,
        )
        json.dumps(value, ensure_ascii=False).encode()  # "\ud800" is JSON, and no Unicode
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _check_depth(value)
    return value


def take(container: object, key: str, kind: type[T]) -> T:
    """container[key], which must be exactly of `kind`. ValueError: no object, no such key, another type."""
    if not isinstance(container, dict) or key not in container:
        raise ValueError(f"{key} is missing")
    value = container[key]
    if kind is float and type(value) is int:
        value = _finite(str(value))  # JSON has one kind of number
    if type(value) is not kind:
        raise ValueError(f"{key} must be {kind.__name__}, not {type(value).__name__}")
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level if isinstance(each, dict | list) for inner in _inside(each)]
    if level:
        raise ValueError("nested too deeply")


def _inside(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has a key twice")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError(f"{literal[:40]} overflows")
    return value


def _whole(literal: str) -> int:
    """What other readers of JSON can hold, if not exactly."""
    _finite(literal)
    return int(literal)
