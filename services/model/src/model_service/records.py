"""What the registry keeps, and how its rows become what it tells of them."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from pynomaly_contracts.models import Model, ModelVersion


class StoredVersion(NamedTuple):
    """A version and where its bytes are."""

    version: ModelVersion
    tenant_id: str
    object_key: str


class IndexedVersion(NamedTuple):
    """A version in the index of all."""

    name: str
    number: int
    version_id: UUID


class NewVersion(NamedTuple):
    """A checked artefact whose bytes are stored. manifest: as JSON."""

    object_key: str
    digest: str
    n_bytes: int
    signed_by: str
    manifest: bytes


def model_of(row: sa.Row[Any]) -> Model:
    """A row of the models, with its aliases and whether it is the default."""
    return Model(
        id=row.id,
        name=row.name,
        latest_version=str(row.latest_version),
        aliases=row.aliases or {},
        is_default=row.is_default,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def version_of(row: sa.Row[Any], model_name: str) -> ModelVersion:
    """A row of the versions."""
    manifest: dict[str, Any] = orjson.loads(row.manifest)
    made: datetime = row.created_at
    about = {
        "id": row.id,
        "model_id": row.model_id,
        "model_name": model_name,
        "version": str(row.number),
        "digest": row.digest,
        "n_bytes": row.n_bytes,
        "signed_by": row.signed_by,
        "created_at": made,
        "updated_at": made,
    }
    return ModelVersion.model_validate({**manifest, "dataset_id": manifest["dataset_id"] or None, **about})
