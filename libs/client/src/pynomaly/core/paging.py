"""Lists that come in pages."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from pynomaly_contracts.base import Page

from pynomaly.core.call import Query, get
from pynomaly.core.session import Session

T = TypeVar("T")
PAGE_SIZE = 100


async def every(
    session: Session, read: Callable[[bytes], Page[T]], *path: object, query: Query | None = None
) -> AsyncIterator[T]:
    """All items, newest first; the next page is asked for only when it is needed."""
    cursor: str | None = None
    while True:
        page = await session.send(get(read, *path, query={"limit": PAGE_SIZE, **(query or {}), "cursor": cursor}))
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return
