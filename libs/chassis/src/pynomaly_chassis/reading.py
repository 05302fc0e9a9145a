"""Reading settings whole: every one is right, or each that is wrong is named."""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from pynomaly_chassis.replaced import unsafe_in
from pynomaly_chassis.sources import SettingProblem, SettingsRefused, Sources, read_sources

Loaded = TypeVar("Loaded", bound=BaseSettings)


class Reloadable:
    """Marks a field of the settings that is applied while the process runs."""


RELOADABLE = Reloadable()


class Reading(NamedTuple, Generic[Loaded]):
    """The settings, and what they were read from."""

    settings: Loaded
    sources: Sources


class _Given(EnvSettingsSource):
    """pydantic-settings' reading of an environment, of one that is given."""

    def __init__(self, kind: type[BaseSettings], values: Mapping[str, str]) -> None:
        self._values = values
        super().__init__(kind)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(self._values, self.case_sensitive, self.env_ignore_empty)


def load_settings(kind: type[Loaded]) -> Loaded:
    """Read the settings, or end the process with exit code 2 and a line per wrong one."""
    try:
        return read_settings(kind).settings
    except SettingsRefused as error:
        end(error)


def end(error: SettingsRefused) -> NoReturn:
    """End the process with exit code 2 and a line per wrong setting."""
    for problem in error.problems:
        print(problem, file=sys.stderr)  # noqa: T201 - logs are not set up yet
    raise SystemExit(2)


def read_settings(kind: type[Loaded], environ: Mapping[str, str] = os.environ) -> Reading[Loaded]:
    """The settings as they are given now. Raises SettingsRefused, naming all that is wrong.

    The environment goes before CONFIG_DIR; NAME_FILE in place of NAME: the setting is what that file holds.
    """
    sources = read_sources(list(names_of(kind)), environ)
    unsafe = unsafe_in(sources.values)
    try:
        settings = kind(**_Given(kind, sources.values)())
    except ValidationError as error:
        raise SettingsRefused(*unsafe, *(_problem(kind, wrong) for wrong in _errors(error))) from error
    if unsafe:
        raise SettingsRefused(*unsafe)
    return Reading(settings, sources)


def names_of(kind: type[BaseSettings]) -> Iterator[str]:
    """Every name that the settings have, in capitals."""
    for field, info in kind.model_fields.items():
        yield from setting_names(field, info)


def setting_names(field: str, info: FieldInfo) -> tuple[str, ...]:
    """The names of one field, the first the usual one."""
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice).upper() for choice in alias.choices)
    return ((alias if isinstance(alias, str) else field).upper(),)


def is_reloadable(info: FieldInfo) -> bool:
    """Whether the field is applied while the process runs."""
    return RELOADABLE in info.metadata


def is_secret(info: FieldInfo) -> bool:
    """Whether the field's value is never told."""
    return "SecretStr" in str(info.annotation)


def _errors(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_context=False))


def _problem(kind: type[BaseSettings], wrong: Mapping[str, Any]) -> SettingProblem:
    said = wrong["msg"].removeprefix("Value error, ")
    if not wrong["loc"]:
        return SettingProblem("SETTINGS", said)
    name = str(wrong["loc"][0]).upper()
    found = {
        each: info for field, info in kind.model_fields.items() for each in (field.upper(), *setting_names(field, info))
    }
    told = wrong["type"] != "missing" and name in found and not is_secret(found[name])
    return SettingProblem(name, said, str(wrong["input"]) if told else None)
