"""Settings that users know and that do nothing here: what each was replaced by, or why there is none."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from pynomaly_contracts.admin import FLAG_MEANINGS, FLAG_OWNERS, Flag, ReplacedSetting

from pynomaly_chassis.sources import SettingProblem

_OFF = ("false", "0", "no", "off")
_LOGS = "logs go to standard output: whatever runs the process keeps and rotates them (`make run`: in its home's logs/)"
_INGRESS = "the ingress in front of the services does it; see deploy/helm/platform"
_NO_REDIS = "nothing is kept in Redis"
_NO_CACHE = "no answer is cached; models are, in MODEL_CACHE_BYTES of memory"
_NO_LIMIT = "requests are not counted per client; MAX_CONCURRENT_REQUESTS and MAX_QUEUE_WAIT_S bound the load"
_NO_TOKENS = "nobody signs in yet, so no token is issued; ADMIN_TOKEN guards the admin routes"
_NO_PASSWORDS = "no passwords are kept"
_NO_TRACES = "no traces are exported; traceparent is handed on, and logs carry the request's id"
_NO_BACKUPS = "the services make no backups: back up PostgreSQL and the object storage by their own means"
_NO_EDGE = "there is no edge node in this version"


class Replaced(NamedTuple):
    """harmless: values that ask for what is the case anyway. unsafe: those, or with None all others, that somebody
    relies on for protection: a process that ignored them must not start.
    """

    instead: str
    harmless: tuple[str, ...] = ()
    unsafe: tuple[str, ...] | None = ()

    def is_unsafe(self, value: str) -> bool:
        return self.unsafe is None or value.lower() in self.unsafe


def _all(instead: str, *names: str, harmless: tuple[str, ...] = ()) -> dict[str, Replaced]:
    return dict.fromkeys(names, Replaced(instead, harmless))


REPLACED: Mapping[str, Replaced] = {
    **_all("each service has its own name, SERVICE_NAME", "APP_NAME"),
    **_all(_LOGS, "LOG_FILE", "LOG_ROTATION", "LOG_MAX_SIZE", "LOG_BACKUP_COUNT"),
    **_all("no answer is made from the Host header; the ingress knows the hosts", "ALLOWED_HOSTS"),
    **_all(_INGRESS, "SECURE_HSTS_SECONDS", harmless=("0",)),
    **_all(_INGRESS, "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_CONTENT_TYPE_NOSNIFF", harmless=_OFF),
    **_all("browsers have no such filter any more", "SECURE_BROWSER_XSS_FILTER", harmless=_OFF),
    "SECURE_SSL_REDIRECT": Replaced(f"the services answer plain HTTP; {_INGRESS}", _OFF, unsafe=None),
    **_all(
        "one process per port: run more replicas; of the detector's worker it is the number of jobs at a time",
        "WORKERS",
        harmless=("1",),
    ),
    **_all(_NO_REDIS, "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"),
    **_all(_NO_REDIS, "REDIS_MAX_CONNECTIONS", "REDIS_SOCKET_KEEPALIVE"),
    **_all(_NO_CACHE, "CACHE_ENABLED", harmless=_OFF),
    **_all(_NO_CACHE, "CACHE_DEFAULT_TIMEOUT", "CACHE_TTL_DATASETS", "CACHE_TTL_DETECTORS", "CACHE_TTL_RESULTS"),
    **_all(_NO_CACHE, "CACHE_REDIS_DB", "LOCAL_CACHE_SIZE"),
    **_all(_NO_LIMIT, "RATE_LIMIT_ENABLED", harmless=_OFF),
    **_all(_NO_LIMIT, "RATE_LIMIT_REQUESTS_PER_MINUTE", "RATE_LIMIT_BURST", "RATE_LIMIT_STORAGE_URL"),
    **_all("models are signed with a pair of keys, TRUSTED_KEYS_PATH; " + _NO_TOKENS, "SECRET_KEY", "JWT_SECRET_KEY"),
    "JWT_ALGORITHM": Replaced(
        "tokens are asymmetric, so that who checks one cannot make one: ES256",
        ("es256",),
        unsafe=("hs256", "hs384", "hs512", "none"),
    ),
    **_all(
        _NO_TOKENS, "JWT_ISSUER", "JWT_AUDIENCE", "JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "JWT_REFRESH_TOKEN_EXPIRE_DAYS"
    ),
    **_all(_NO_PASSWORDS, "PASSWORD_HASH_ALGORITHM", "PASSWORD_HASH_ROUNDS"),
    "ENCRYPTION_KEY": Replaced("the services encrypt nothing they store: let the storage encrypt", unsafe=None),
    **_all("no API keys are kept", "API_KEYS_ENCRYPTION_KEY"),
    **_all("metrics are at /metrics", "METRICS_ENDPOINT", harmless=("/metrics",)),
    **_all(_NO_TRACES, "TRACING_ENABLED", "ENABLE_TRACING", harmless=_OFF),
    **_all(_NO_TRACES, "JAEGER_ENDPOINT", "JAEGER_AGENT_HOST"),
    **_all("errors are in the log, by the request's id", "SENTRY_DSN"),
    **{
        flag.value: Replaced(FLAG_MEANINGS[flag].removeprefix("Not offered: "), _OFF)
        for flag in Flag
        if flag not in FLAG_OWNERS
    },
    "BACKUP_ENABLED": Replaced(_NO_BACKUPS, _OFF, unsafe=None),
    **_all(_NO_BACKUPS, "BACKUP_SCHEDULE", "BACKUP_RETENTION_DAYS", "BACKUP_STORAGE_PATH"),
    **_all(_NO_EDGE, "EDGE_MODE", "OFFLINE_MODE", harmless=_OFF),
    **_all(_NO_EDGE, "EDGE_NODE_ID", "CENTRAL_API_URL", "SYNC_INTERVAL", "MODEL_CACHE_BUCKET"),
}


def replaced_in(given: Mapping[str, str], heeded: Collection[str]) -> list[ReplacedSetting]:
    """Settings that are given, ask for something, and do nothing. heeded: what this service has after all."""
    return [
        ReplacedSetting(name=name, instead=entry.instead) for name, entry, _ in _asking(given) if name not in heeded
    ]


def unsafe_in(given: Mapping[str, str]) -> list[SettingProblem]:
    """Settings that must not be ignored in silence."""
    return [
        SettingProblem(
            name, f"{entry.instead}. Leave it out: a process that ignored it would be less safe than it says"
        )
        for name, entry, value in _asking(given)
        if entry.is_unsafe(value)
    ]


def _asking(given: Mapping[str, str]) -> Iterator[tuple[str, Replaced, str]]:
    for name, entry in REPLACED.items():
        value = given.get(name, "")
        if value and value.lower() not in entry.harmless:
            yield name, entry, value
