"""A Redis client whose commands are guarded. Extra: `redis`.

class Cache(GuardedCommands, redis.asyncio.Redis): ...

cache = Cache.from_url(url, retry=None)  # one owner of retries
cache.guard_with(CACHE, dependency="cache")
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol, cast

from pynomaly_resilience.guard import Guard
from pynomaly_resilience.policies import BreakerPolicy, CallPolicy, RetryPolicy
from pynomaly_resilience.resilience import Resilience

# fmt: off
READS = frozenset({
    "BITCOUNT", "DBSIZE", "EXISTS", "EXPIRETIME", "GET", "GETBIT", "GETRANGE", "HEXISTS", "HGET", "HGETALL",
    "HKEYS", "HLEN", "HMGET", "HVALS", "LINDEX", "LLEN", "LRANGE", "MGET", "PING", "PTTL", "SCARD", "SISMEMBER",
    "SMEMBERS", "STRLEN", "TTL", "TYPE", "ZCARD", "ZCOUNT", "ZRANGE", "ZRANK", "ZSCORE",
})
# fmt: on
"""Commands that do no harm twice; no other is tried again once it was sent."""

CACHE = CallPolicy(
    attempt_timeout_s=0.5,
    total_timeout_s=1.0,
    attempts=2,
    retry=RetryPolicy(on="failure", wait_s=0.01, wait_max_s=0.1),
    breaker=BreakerPolicy(failure_rate=None, consecutive_failures=5, open_s=2.0, open_max_s=30.0),
)


class _Commands(Protocol):
    def execute_command(self, *args: Any, **options: Any) -> Awaitable[Any]: ...


class GuardedCommands:
    """Mixed in before a Redis client; unguarded until `guard_with`. Pipelines are not guarded."""

    _guards: tuple[Guard, Guard] | None = None

    def guard_with(
        self,
        policy: CallPolicy = CACHE,
        *,
        dependency: str = "cache",
        resilience: Resilience | None = None,
        ignore: tuple[type[Exception], ...] = (ValueError, TypeError),
    ) -> None:
        """Reads and the rest get a breaker each. ignore: refusals, such as `redis.ResponseError`."""
        shared: dict[str, Any] = {"policy": policy, "resilience": resilience, "ignore": ignore}
        self._guards = (
            Guard(dependency, "write", **shared),
            Guard(dependency, "read", idempotent=True, **shared),
        )

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command, as the client has it."""
        send = cast("_Commands", super()).execute_command
        if self._guards is None:
            return await send(*args, **options)
        guard = self._guards[str(args[0]).upper() in READS]

        async def command() -> Any:
            return await send(*args, **options)

        return await guard(command)()
