"""What every payload shares."""

import re
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Item = TypeVar("Item")
Payload = TypeVar("Payload", bound=BaseModel)

RESERVED_NAMES = frozenset({"edge", "compare", "upload", "imports", "latest", "default"})
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"


def is_reference(text: str) -> bool:
    """Whether this could be an id, a name, a version or an alias. What could not need not be looked for."""
    return re.fullmatch(_NAME, text) is not None


def _not_reserved(name: str) -> str:
    if name.lower() in RESERVED_NAMES:
        raise ValueError(f"{name!r} is reserved; choose another name")
    return name


def _not_an_id(name: str) -> str:
    """A name stands wherever an id does, so it must never look like one."""
    try:
        UUID(name)
    except ValueError:
        return name
    raise ValueError("a name cannot have the form of a UUID")


ResourceName = Annotated[
    str,
    StringConstraints(pattern=_NAME),
    AfterValidator(_not_reserved),
    AfterValidator(_not_an_id),
    Field(description="Unique per tenant: letters, digits, '.', '_' and '-', at most 128.", examples=["thyroid"]),
]
Description = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
Contamination = Annotated[
    float,
    Field(gt=0, le=0.5, description="Expected share of anomalies, 0 < contamination <= 0.5.", examples=[0.1]),
]
TimeLimit = Annotated[
    float,
    Field(gt=0, le=30 * 86400, description="How long a try may take, s, at most the service's JOB_TIME_LIMIT_S."),
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1, description="Seed of every random choice.")]


class Request(BaseModel):
    """A payload that a caller sends: unknown fields are refused, so that a typo is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Answer(BaseModel):
    """A payload that a service sends: unknown fields are ignored, so an old client reads a new service."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def from_storage(kind: type[Payload], value: Any) -> Payload:
    """What was stored of a payload, maybe by a newer release: fields that this one does not know are left out, at any
    depth, where a request would be refused for them. Raises ValidationError.
    """
    return kind.model_validate(value, extra="ignore")


class Resource(Answer):
    """An answer that stands for a stored thing."""

    id: UUID
    created_at: datetime = Field(description="UTC, RFC 3339.")
    updated_at: datetime = Field(description="UTC, RFC 3339.")


class Page(Answer, Generic[Item]):
    """One page of a list, newest first."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Send as ?cursor= for the next page; null at the end.")
