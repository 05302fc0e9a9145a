"""The settings in force, and how they are read again while the process runs: all that are right, or none."""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pynomaly_contracts.admin import ConfigReload, SettingChange
from pynomaly_contracts.problems import FieldProblem
from pynomaly_resilience import PolicyError, Resilience, ResilienceSettings

from pynomaly_chassis.logs import set_log_level
from pynomaly_chassis.problems import Invalid
from pynomaly_chassis.reading import (
    Reading,
    is_reloadable,
    is_secret,
    names_of,
    read_settings,
    setting_names,
)
from pynomaly_chassis.replaced import REPLACED, replaced_in
from pynomaly_chassis.resilience import SETTING_NAMES, read_resilience
from pynomaly_chassis.settings import ServiceSettings
from pynomaly_chassis.sources import SettingProblem, SettingsRefused

log = structlog.get_logger()
Kept = TypeVar("Kept", bound=ServiceSettings)
UNTOLD = "(secret)"


class SettingsNotValid(Invalid):
    """Settings that were read again and cannot be; those before are still in force."""

    type, title = "/problems/settings-not-valid", "Settings are not valid"


class Live(Generic[Kept]):
    """The settings in force: `now` is replaced whole. For one event loop."""

    def __init__(self, settings: Kept) -> None:
        self.now = settings
        self._followers: list[Callable[[Kept], None]] = []

    def follow(self, apply: Callable[[Kept], None]) -> None:
        """Call `apply` with the settings now and whenever they have changed. It only assigns, and cannot fail."""
        self._followers.append(apply)
        apply(self.now)

    def replace(self, settings: Kept) -> None:
        """Nothing of this process runs between the first follower's change and the last one's."""
        self.now = settings
        for apply in self._followers:
            apply(settings)


class Configuration(Generic[Kept]):
    """The settings of a process and where they come from."""

    def __init__(
        self,
        settings: Kept,
        registry: CollectorRegistry,
        resilience: Resilience,
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.live = Live(settings)
        self._given, self._environ, self._resilience = settings, environ, resilience
        self._turn = asyncio.Lock()
        self._generation = 1
        self.live.follow(lambda now: set_log_level(now.log_level))
        self._reloads = Counter("pynomaly_config_reloads", "Settings read again.", ("result",), registry=registry)
        for result in ("applied", "unchanged", "refused"):
            self._reloads.labels(result)
        gauge = Gauge("pynomaly_config_generation", "Of the settings in force; 1 at the start.", registry=registry)
        gauge.set_function(lambda: self._generation)

    async def reload(self, by: str) -> ConfigReload:
        """Read the settings again and apply what can be applied. Raises SettingsNotValid, having changed nothing.

        by: who asked, for the log.
        """
        async with self._turn:
            try:
                found, resilience = await asyncio.to_thread(self._read)
            except SettingsRefused as error:
                self._reloads.labels("refused").inc()
                log.warning("config.refused", by=by, settings=[problem.name for problem in error.problems])
                raise _not_valid(error) from error
            return self._apply(found, resilience, by)

    def _read(self) -> tuple[Reading[Kept], ResilienceSettings]:
        """Folders may be far away, so it runs in a thread."""
        reading = read_settings(type(self._given), self._environ)
        try:
            return reading, read_resilience(reading.sources.values)
        except PolicyError as error:
            problem = SettingProblem(error.field, f"must be {error.allowed}", str(error.value))
            raise SettingsRefused(problem) from error

    def _apply(self, found: Reading[Kept], resilience: ResilienceSettings, by: str) -> ConfigReload:
        now, wanted = self.live.now, found.settings
        fields = type(now).model_fields
        different = {field for field in fields if getattr(now, field) != getattr(wanted, field)}
        live = {field for field in fields if is_reloadable(fields[field])}
        changes = {field: getattr(wanted, field) for field in sorted(different & live)}
        told = {field: _change(field, fields[field], now, wanted) for field in sorted(different)}
        if changes:
            self._generation += 1
            self.live.replace(now.model_copy(update=changes))
        answer = ConfigReload(
            service=now.service_name,
            generation=self._generation,
            applied=[told[field] for field in changes],
            unchanged=[setting_names(field, fields[field])[0] for field in sorted(live - different)],
            needs_restart=[
                *(told[field] for field in sorted(different - live)),
                *_resilience_changes(self._resilience.settings, resilience),
            ],
            overridden=found.sources.overridden,
            unknown=_unknown(type(now), found.sources.folder),
            replaced=replaced_in(found.sources.values, set(names_of(type(now)))),
        )
        self._reloads.labels("applied" if changes else "unchanged").inc()
        log.info(
            "config.reloaded",
            by=by,
            generation=self._generation,
            applied=[change.model_dump() for change in answer.applied],
            needs_restart=[change.name for change in answer.needs_restart],
        )
        return answer


def _not_valid(error: SettingsRefused) -> SettingsNotValid:
    wrong = [FieldProblem(field=each.name, message=each.message, value=each.value) for each in error.problems]
    return SettingsNotValid(f"nothing was changed: {error}", errors=wrong)


def _change(field: str, info: FieldInfo, old: Any, new: Any) -> SettingChange:
    before, after = (_told(info, getattr(settings, field)) for settings in (old, new))
    return SettingChange(name=setting_names(field, info)[0], old=before, new=after)


def _told(info: FieldInfo, value: Any) -> str | None:
    if value is None:
        return None
    if is_secret(info) or isinstance(value, SecretStr):
        return UNTOLD
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _resilience_changes(old: ResilienceSettings, new: ResilienceSettings) -> list[SettingChange]:
    """The policies of calls are made once."""
    before, after = (
        {"RESILIENCE_ENABLED": each.enabled} | {o.setting: o.value for o in each.overrides} for each in (old, new)
    )
    return [
        SettingChange(name=name, old=_value(before.get(name)), new=_value(after.get(name)))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _value(value: object) -> str | None:
    return None if value is None else str(value)


def _unknown(kind: type[ServiceSettings], folder: Mapping[str, str]) -> list[str]:
    known = {*names_of(kind), *REPLACED, *SETTING_NAMES}
    known |= {f"{name}_FILE" for name in known}
    return sorted(name for name in folder if name not in known and not name.startswith("RESILIENCE__"))
