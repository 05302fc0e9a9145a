"""What the registry keeps, and how its rows become what it tells of them."""

from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from pynomaly_contracts.models import Alias, AliasMove, Lineage, Model, ModelVersion


class StoredVersion(NamedTuple):
    """A version and where its bytes are: what serving needs. Digests are SHA-256, 64 hex digits.

    digest: of the archive. content_digest: over the files that are signed; None where a former release registered it.
    """

    id: UUID
    model_id: UUID
    model_name: str
    number: str
    tenant_id: str
    object_key: str
    digest: str
    content_digest: str | None
    n_bytes: int


class IndexedVersion(NamedTuple):
    """A version in the index of all."""

    name: str
    number: int
    version_id: UUID


class NewVersion(NamedTuple):
    """A checked artefact whose bytes are stored. manifest: as JSON."""

    object_key: str
    digest: str
    content_digest: str
    n_bytes: int
    signed_by: str
    manifest: bytes


class WantedVersion(NamedTuple):
    """A version that every replica is to have in memory. pinned: an unload leaves it there."""

    stored: StoredVersion
    pinned: bool


def model_of(row: sa.Row[Any]) -> Model:
    """A row of the models, with its latest number, its aliases and whether it is the default."""
    return Model(
        id=row.id,
        name=row.name,
        latest_version=None if row.latest is None else str(row.latest),
        aliases=row.aliases or {},
        is_default=row.is_default,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def version_of(row: sa.Row[Any], model_name: str) -> ModelVersion:
    """A row of the versions. What the manifest of a former release lacks is null, or empty."""
    manifest: dict[str, Any] = orjson.loads(row.manifest)
    about = {
        "dataset_id": manifest.get("dataset_id") or None,
        "columns": manifest.get("columns") or [{"name": name, "type": "number"} for name in manifest["feature_names"]],
        "lineage": _lineage(manifest, row.number),
        "id": row.id,
        "model_id": row.model_id,
        "model_name": model_name,
        "version": str(row.number),
        "digest": row.digest,
        "n_bytes": row.n_bytes,
        "signed_by": row.signed_by,
        "notes": row.notes,
        "labels": row.labels or {},
        "created_by": row.tenant_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at or row.created_at,
    }
    return ModelVersion.model_validate({**manifest, **about})


def _lineage(manifest: dict[str, Any], number: int) -> Lineage:
    """Numbers are given without gaps; the one before may have been deleted since, or even before."""
    signed = {**(manifest.get("lineage") or {}), **manifest, "dataset_id": manifest.get("dataset_id") or None}
    return Lineage.model_validate({**signed, "previous_version": str(number - 1) if number > 1 else None})


def alias_of(row: sa.Row[Any]) -> Alias:
    """A row of the aliases with its version's number and its last move, where that is its own."""
    known = row.moved_at is not None and row.to_version == row.number
    return Alias(
        alias=row.alias,
        version=str(row.number),
        version_id=row.version_id,
        at=row.moved_at if known else None,
        by=row.moved_by if known else None,
        reason=row.reason if known else None,
    )


def move_of(row: sa.Row[Any]) -> AliasMove:
    """A row of the moves."""
    return AliasMove(
        id=row.id,
        alias=row.alias,
        from_version=None if row.from_version is None else str(row.from_version),
        to_version=None if row.to_version is None else str(row.to_version),
        at=row.moved_at,
        by=row.moved_by,
        reason=row.reason,
    )
