"""How models and versions are named."""

import re
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.problems import NotFound
from pynomaly_contracts.models import Model
from pynomaly_contracts.problems import FieldProblem

from model_service.tables import ALIASES, VERSIONS

DEFAULT, LATEST = "default", "latest"
# What cannot be an id, a name, a number or an alias never reaches the database.
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def is_reference(text: str) -> bool:
    """Whether it could name anything."""
    return _REFERENCE.fullmatch(text) is not None


def as_uuid(reference: str) -> UUID | None:
    """The UUID that the text spells, if it spells one."""
    try:
        return UUID(reference)
    except ValueError:
        return None


def not_found(field: str, reference: str, message: str) -> NotFound:
    """A 404 that names the field."""
    return NotFound(message, errors=[FieldProblem(field=field, message=message, value=reference)])


def is_version(model: Model, reference: str) -> sa.ColumnElement[bool]:
    """Number, id, alias or `latest`, of a version of this model."""
    if reference == LATEST:
        return VERSIONS.c.number == int(model.latest_version or 0)
    if _NUMBER.fullmatch(reference):
        return VERSIONS.c.number == int(reference)
    if version_id := as_uuid(reference):
        return VERSIONS.c.id == version_id
    named = sa.and_(ALIASES.c.model_id == model.id, ALIASES.c.alias == reference)
    return VERSIONS.c.id == sa.select(ALIASES.c.version_id).where(named).scalar_subquery()
