"""What all calls of a process share: breakers, retry budgets, the settings, and their metrics."""

import sys
from collections.abc import Mapping

from prometheus_client import CollectorRegistry
from pynomaly_contracts.health import DependencyStatus
from pynomaly_contracts.routes import Service
from pynomaly_resilience import CallPolicy, PolicyError, Resilience, ResilienceSettings
from pynomaly_resilience.metrics import PrometheusMetrics
from pynomaly_resilience.settings import GLOBAL

from pynomaly_chassis.reading import end
from pynomaly_chassis.sources import SettingsRefused, read_sources

Calls = dict[tuple[str, str], CallPolicy]
"""The named policies of a process, by dependency and operation."""
DEPENDENCIES = frozenset({*(service.value for service in Service), "database", "storage"})
"""All that the suite's processes depend on: they share one environment, so each takes settings for the others' too."""
SETTING_NAMES = frozenset({*GLOBAL, "RESILIENCE_ENABLED", "RESILIENCE_METRIC_PREFIX"})
"""The settings of calls, beside those of a policy, which begin with RESILIENCE__."""


def open_resilience(registry: CollectorRegistry, *calls: Calls, environ: Mapping[str, str] | None = None) -> Resilience:
    """One per process, for everything that leaves it; each of `calls` has its breaker from the start. An operation
    that is called under several policies, with the same breaker, stands in several of them.

    environ: what settings are read from; None, where those of the process come from. A setting that makes no sense,
    alone or together with one of the policies, ends the process with exit code 2.
    """
    environ = _process_environment() if environ is None else environ
    try:
        named = [(*whom, policy) for some in calls for whom, policy in some.items()]
        known = DEPENDENCIES.union(dependency for dependency, _, _ in named)
        settings = ResilienceSettings.from_environ(environ, dependencies=known)
        metrics = PrometheusMetrics(registry, prefix=settings.metric_prefix)
        resilience = Resilience(settings=settings, on_event=metrics)
        for dependency, operation, policy in named:
            resilience.target(dependency, operation, policy)
    except PolicyError as error:
        print(error, file=sys.stderr)  # noqa: T201 - logs are not set up yet
        raise SystemExit(2) from error
    metrics.watch(resilience)
    return resilience


def read_resilience(environ: Mapping[str, str]) -> ResilienceSettings:
    """The settings of calls as they are given now. Raises PolicyError."""
    return ResilienceSettings.from_environ(environ, dependencies=DEPENDENCIES)


def _process_environment() -> Mapping[str, str]:
    try:
        return read_sources(()).values
    except SettingsRefused as error:
        end(error)


def dependencies(resilience: Resilience) -> list[DependencyStatus]:
    """What this process depends on, as it has seen it, for /status."""
    return [DependencyStatus.model_validate(status) for status in resilience.breakers.snapshot()]
