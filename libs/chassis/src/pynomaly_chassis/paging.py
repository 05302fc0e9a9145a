"""Cursor paging: newest first, by UUIDv7 id, so that a page never shifts while rows arrive."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from pynomaly_chassis.problems import Invalid


class HasId(Protocol):
    """Anything that a page lists."""

    @property
    def id(self) -> UUID: ...


Listed = TypeVar("Listed", bound=HasId)


class PageRequest:
    """Which page is wanted: `limit` items older than `before`."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=200, description="Items per page.")] = 50,
        cursor: Annotated[str | None, Query(max_length=64, description="next_cursor of the page before.")] = None,
    ) -> None:
        self.limit = limit
        self.before = None if cursor is None else _decode(cursor)

    def cut(self, found: Sequence[Listed]) -> tuple[list[Listed], str | None]:
        """Items and next cursor, of up to limit + 1 rows that a repository found."""
        items = list(found[: self.limit])
        return items, _encode(items[-1].id) if len(found) > self.limit else None


Paging = Annotated[PageRequest, Depends()]


def _encode(row_id: UUID) -> str:
    return base64.urlsafe_b64encode(row_id.bytes).decode().rstrip("=")


def _decode(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise Invalid.field("query.cursor", cursor, "not a cursor; send next_cursor of the page before") from error
