"""What keeps a version or a model from being deleted. The model's row is locked."""

from collections.abc import Sequence
from typing import NamedTuple

from pynomaly_contracts.models import Alias, DefaultModel, Model

from model_service.errors import NoDefaultModel, StillNamed
from model_service.records import StoredVersion
from model_service.repository import LATEST, ModelTransaction
from model_service.repository.references import as_uuid


class Holder(NamedTuple):
    """kind: alias, default, pin or model. fix: what to do first."""

    kind: str
    name: str
    fix: str


async def check_version_free(tx: ModelTransaction, model: Model, version: StoredVersion) -> None:
    """Raises StillNamed."""
    aliases = [alias for alias in await tx.aliases.of(model) if alias.version_id == version.id]
    found = [_alias(model, alias) for alias in aliases]
    if model.is_default and _is_defaults(await _default(tx, version.tenant_id), model, version):
        found.append(_DEFAULT)
    if int(version.number) in await tx.loads.pinned(model):
        found.append(_pin(model, version.number))
    if await tx.versions.count(model) == 1:
        found.append(Holder("model", model.name, f"it has no other version; DELETE /api/v1/models/{model.name}"))
    _refuse(f"version {version.number} of model {model.name!r}", found)


async def check_model_free(tx: ModelTransaction, model: Model) -> None:
    """Raises StillNamed."""
    found = [_alias(model, alias) for alias in await tx.aliases.of(model)]
    if model.is_default:
        found.append(_DEFAULT)
    found += [_pin(model, str(number)) for number in await tx.loads.pinned(model)]
    _refuse(f"model {model.name!r}", found)


async def check_alias_free(tx: ModelTransaction, tenant_id: str, model: Model, alias: str) -> None:
    """Raises StillNamed where the tenant's default follows the alias."""
    default = await _default(tx, tenant_id) if model.is_default else None
    _refuse(f"alias {alias!r} of model {model.name!r}", [_DEFAULT] if default and default.version == alias else [])


_DEFAULT = Holder("default", "default", "choose another default: PUT or DELETE /api/v1/models/default")


def _alias(model: Model, alias: Alias) -> Holder:
    path = f"/api/v1/models/{model.name}/aliases/{alias.alias}"
    return Holder("alias", alias.alias, f"move or remove it: PUT or DELETE {path}")


def _pin(model: Model, number: str) -> Holder:
    return Holder("pin", number, f"unpin it: DELETE /api/v1/models/{model.name}/versions/{number}/pin")


async def _default(tx: ModelTransaction, tenant_id: str) -> DefaultModel | None:
    try:
        return await tx.defaults.get(tenant_id)
    except NoDefaultModel:  # it was removed since the model was read: only the model's row is locked
        return None


def _is_defaults(default: DefaultModel | None, model: Model, version: StoredVersion) -> bool:
    """By number, id or as the latest; an alias holds by itself."""
    if default is None or default.model_id != model.id:
        return False
    said = default.version or LATEST
    return (
        said == version.number
        or as_uuid(said) == version.id
        or (said == LATEST and model.latest_version == version.number)
    )


def _refuse(what: str, holders: Sequence[Holder]) -> None:
    if holders:
        fixes = "; ".join(f"{holder.kind} {holder.name!r}: {holder.fix}" for holder in holders[:5])
        raise StillNamed(f"{what} is still named by {fixes}", holders=[holder._asdict() for holder in holders])
