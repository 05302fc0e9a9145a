"""Ids and times."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils
import uuid_utils.compat


def new_id() -> UUID:
    """A UUIDv7: unique, and ordered by the time of its making."""
    return uuid_utils.compat.uuid7()


def first_id_at(moment: datetime) -> UUID:
    """The least UUIDv7 that can have been made at this moment, to the millisecond."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=milliseconds << 80)


def new_request_id() -> str:
    """A UUIDv7 as text, for the price of its bytes."""
    return str(uuid_utils.uuid7())


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)
