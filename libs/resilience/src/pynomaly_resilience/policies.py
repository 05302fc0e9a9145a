"""How a dependency is called, as data: frozen, validated when written, every time in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pynomaly_resilience.errors import PolicyError


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and how it finds its way back. Either rule opens it; None switches a rule off.

    failure_rate: share of failed calls in the window, [0.01, 1] or None; 0.5.
    min_calls: calls the window must hold before the rate counts, [1, 100000]; 20.
    window_s: length of the sliding window, [0.1, 3600] s; 30.
    consecutive_failures: failures in a row, [1, 100000] or None; None.
    open_s: first open interval, [0.001, 3600] s; 5. Doubles each time the probes fail.
    open_max_s: the longest open interval, [open_s, 86400] s; 60.
    jitter: an interval is multiplied by a random factor in 1 +- jitter, [0, 0.9]; 0.1.
    probes: calls admitted half-open, all of which must succeed, [1, 1000]; 3.
    probe_lease_s: after this long half-open with no probe left to give, new ones are given, so that a hung
        probe cannot wedge the breaker, [0.001, 3600] s; 30.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "failure_rate": (0.01, 1.0),
        "min_calls": (1, 100_000),
        "window_s": (0.1, 3600.0),
        "consecutive_failures": (1, 100_000),
        "open_s": (0.001, 3600.0),
        "open_max_s": (0.001, 86_400.0),
        "jitter": (0.0, 0.9),
        "probes": (1, 1000),
        "probe_lease_s": (0.001, 3600.0),
    }

    failure_rate: float | None = 0.5
    min_calls: int = 20
    window_s: float = 30.0
    consecutive_failures: int | None = None
    open_s: float = 5.0
    open_max_s: float = 60.0
    jitter: float = 0.1
    probes: int = 3
    probe_lease_s: float = 30.0

    def __post_init__(self) -> None:
        rules = {"failure_rate", "consecutive_failures"}
        unset = {name for name in rules if getattr(self, name) is None}
        if unset == rules:
            raise PolicyError("failure_rate", None, "set, or consecutive_failures must be")
        _check_ranges(self, {name: r for name, r in self.RANGES.items() if name not in unset})
        if self.open_max_s < self.open_s:
            raise PolicyError("open_max_s", self.open_max_s, f"at least open_s = {self.open_s}")


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How one operation of one dependency is called.

    attempt_timeout_s: for one attempt, to the whole answer when it is read at once and to its headers when
        it is streamed, [0.01, 86400] s; 2.
    total_timeout_s: for all attempts, at least attempts x attempt_timeout_s, [0.1, 86400] s; 6. An
        enclosing `deadline_scope` shortens it.
    attempts: tries including the first, [1, 10]; 2. Only a failed connection is tried again.
    connect_timeout_s: for TCP and TLS, [0.01, 60] s; 1.
    idle_timeout_s: longest silence within a streamed body, [0.01, 86400] s; 30.
    retry_wait_s: upper end of the random pause before another attempt, [0, 10] s; 0.1.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "attempt_timeout_s": (0.01, 86_400.0),
        "total_timeout_s": (0.1, 86_400.0),
        "attempts": (1, 10),
        "connect_timeout_s": (0.01, 60.0),
        "idle_timeout_s": (0.01, 86_400.0),
        "retry_wait_s": (0.0, 10.0),
    }

    attempt_timeout_s: float = 2.0
    total_timeout_s: float = 6.0
    attempts: int = 2
    connect_timeout_s: float = 1.0
    idle_timeout_s: float = 30.0
    retry_wait_s: float = 0.1
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)

    def __post_init__(self) -> None:
        _check_ranges(self, self.RANGES)
        needed_s = self.attempts * self.attempt_timeout_s
        if needed_s > self.total_timeout_s:
            raise PolicyError(
                "total_timeout_s", self.total_timeout_s, f"at least attempts x attempt_timeout_s = {needed_s}"
            )


def _check_ranges(policy: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    for name, (low, high) in ranges.items():
        value = getattr(policy, name)
        kinds = int if isinstance(low, int) else (int, float)
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            noun = "an integer" if kinds is int else "a number"
            raise PolicyError(name, value, f"{noun} in [{low}, {high}]")
