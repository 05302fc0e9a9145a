"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import AfterValidator
from pynomaly_contracts.base import ResourceName

from model_service.aliases import Aliases
from model_service.open_inference.catalogue import Catalogue
from model_service.residency import Residency
from model_service.service import Registry


def _registry(request: Request) -> Registry:
    found: Registry = request.app.state.registry
    return found


def _aliases(request: Request) -> Aliases:
    found: Aliases = request.app.state.aliases
    return found


def _residency(request: Request) -> Residency:
    found: Residency = request.app.state.residency
    return found


def _catalogue(request: Request) -> Catalogue:
    found: Catalogue = request.app.state.catalogue
    return found


def _no_number(alias: str) -> str:
    if alias.isdecimal():
        raise ValueError("an alias cannot look like a version's number")
    return alias


ModelRegistry = Annotated[Registry, Depends(_registry)]
ModelAliases = Annotated[Aliases, Depends(_aliases)]
ModelResidency = Annotated[Residency, Depends(_residency)]
InferenceCatalogue = Annotated[Catalogue, Depends(_catalogue)]
ModelRef = Annotated[str, Path(max_length=128, description="Id or name; `default` is the tenant's default model.")]
VersionRef = Annotated[str, Path(max_length=128, description="Number, id, alias or `latest`.")]
Alias = Annotated[ResourceName, AfterValidator(_no_number)]
