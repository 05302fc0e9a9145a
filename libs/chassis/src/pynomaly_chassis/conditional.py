"""What HTTP offers to whoever fetches bytes again: ETag (RFC 9110, 8.8) and a byte range (14)."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from pynomaly_chassis.problems import ProblemError

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_SUFFIX = re.compile(r"bytes=-(\d{1,18})")


class RangeNotSatisfiable(ProblemError):
    """The range begins after the last byte."""

    status, type, title = 416, "/problems/range-not-satisfiable", "Range is beyond the end"

    @classmethod
    def beyond(cls, n_bytes: int) -> "RangeNotSatisfiable":
        """Of a representation of n_bytes."""
        problem = cls(f"there are {n_bytes} bytes")
        problem.headers = {"content-range": f"bytes */{n_bytes}"}
        return problem


class Part(NamedTuple):
    """Bytes from `first` up to `end`, without it, and what the 206 that hands them out says of them."""

    first: int
    end: int
    headers: dict[str, str]


def is_there_already(asked: Mapping[str, str], etag: str) -> bool:
    """Whether the caller has these bytes (If-None-Match)."""
    listed = [item.strip().removeprefix("W/") for item in asked.get("if-none-match", "").split(",")]
    return etag in listed or "*" in listed


def range_of(asked: Mapping[str, str], etag: str, n_bytes: int | None = None) -> tuple[int, int | None] | None:
    """The first byte and, if said, the last that a caller wants; None for all. Other forms of ranges mean all.

    n_bytes: of the whole, where it is known: then so many of its last bytes may be asked for, too.
    """
    said = asked.get("range", "").replace(" ", "")
    if asked.get("if-range", etag) != etag:
        return None
    if n_bytes is not None and (suffix := _SUFFIX.fullmatch(said)):
        return max(0, n_bytes - int(suffix[1])), None
    found = _RANGE.fullmatch(said)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2]) if found[2] else None
    return None if last is not None and last < first else (first, last)


def satisfiable(wanted: tuple[int, int | None], n_bytes: int) -> Part:
    """What there is of a range, as `range_of` gives it, in n_bytes. Raises RangeNotSatisfiable."""
    first, last = wanted
    end = n_bytes if last is None else min(n_bytes, last + 1)
    if first >= end:
        raise RangeNotSatisfiable.beyond(n_bytes)
    return Part(first, end, {"content-range": f"bytes {first}-{end - 1}/{n_bytes}", "content-length": str(end - first)})
