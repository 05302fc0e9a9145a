"""What the operator lets tenants import from: nothing, until a setting names it.

Everything that an address can say of itself is checked here, before anything is asked of it; where its name leads is
checked when it is connected to (addresses.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from pydantic import SecretStr
from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.imports import ImportRequest, SqlSource

from dataset_service.errors import ImportNotAllowed
from dataset_service.imports.addresses import Network, check_address

HTTPS_PORT = 443
OBJECTS = ("s3", "gs", "az")
_FIELD = "body.url"
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Nothing in which two readers of URLs could see different hosts: no userinfo, backslash, space or quote.
_AUTHORITY = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_PRINTABLE = re.compile(r"https://[\x21-\x7e]+")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True)
class WebAddress:
    """An https address whose host was found allowed. `host` is an address or a name in lower case."""

    url: str
    host: str
    port: int


@dataclass(frozen=True)
class ObjectAddress:
    """An object of an allowed bucket. scheme: s3, gs or az."""

    scheme: str
    bucket: str
    key: str


@dataclass(frozen=True)
class AllowedSources:
    """hosts: names, `*.domain` or `host:port`; buckets: scheme://bucket or scheme://bucket/prefix."""

    hosts: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    connections: Mapping[str, SecretStr] | None = None

    def check(self, wanted: ImportRequest) -> None:
        """Raises ImportNotAllowed (403), Invalid (422)."""
        if wanted.sql is not None:
            self.connection(wanted.sql)
        elif wanted.url is not None and wanted.url.startswith("https:"):
            self.web(wanted.url)
        elif wanted.url is not None:
            self.object(wanted.url)

    def connection(self, sql: SqlSource) -> SecretStr:
        """The URL of the database that is meant."""
        found = (self.connections or {}).get(sql.connection)
        if found is None:
            message = f"no connection is called {sql.connection!r}; the operator names them in IMPORT_CONNECTIONS"
            raise ImportNotAllowed.of("body.sql.connection", sql.connection, message)
        return found

    def web(self, url: str) -> WebAddress:
        """The address, if its host is allowed; an address of digits is looked at here, a name where it is resolved."""
        host, port = _host_and_port(url)
        if not any(_covers(pattern, host, port) for pattern in self.hosts):
            shown = host if port == HTTPS_PORT else f"{host}:{port}"
            message = f"imports from {shown} are not allowed; the operator names hosts in IMPORT_ALLOWED_HOSTS"
            raise ImportNotAllowed.of(_FIELD, without_query(url), message)
        if _is_numeric(host):
            check_address(host, ip_address(host), self.networks)
        return WebAddress(url, host, port)

    def redirected(self, before: WebAddress, location: str) -> WebAddress:
        """Where an answer sends on to, under the same rules."""
        message = f"{before.host} sends on to an address that is not https"
        try:
            target = urljoin(before.url, location)
        except ValueError as error:  # half an IPv6 address, for one
            raise ImportNotAllowed(message) from error
        if not _PRINTABLE.fullmatch(target):
            raise ImportNotAllowed(message)
        return self.web(target)

    def object(self, url: str) -> ObjectAddress:
        """The object, if its bucket is allowed."""
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        if not _BUCKET.fullmatch(bucket) or not key or any(part in ("", ".", "..") for part in key.split("/")):
            raise Invalid.field(_FIELD, without_query(url), "is not of the form scheme://bucket/key")
        if not any(f"{url}/".startswith(f"{allowed}/") for allowed in self.buckets):
            message = f"imports from {scheme}://{bucket} are not allowed; see IMPORT_ALLOWED_BUCKETS"
            raise ImportNotAllowed.of(_FIELD, without_query(url), message)
        return ObjectAddress(scheme, bucket, key)


def without_query(url: str) -> str:
    """What may be shown: neither userinfo nor query, where tokens and signatures stand."""
    if not url.startswith("https:"):
        return url
    beginning, slashes, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("//")
    authority, slash, path = rest.partition("/")
    return beginning + slashes + authority.rpartition("@")[2] + slash + path


def _host_and_port(url: str) -> tuple[str, int]:
    authority = re.split(r"[/?#]", url.removeprefix("https://"), maxsplit=1)[0]
    found = _AUTHORITY.fullmatch(authority)
    if found is None or "\\" in url:
        message = "is no address that imports take: https://host/path, without user, password or backslash"
        raise Invalid.field(_FIELD, without_query(url), message)
    host, port = found["host"].lower().strip("[]").rstrip("."), int(found["port"] or HTTPS_PORT)
    _check_host(host, port, url)
    if urlsplit(url).hostname != found["host"].lower().strip("[]"):
        raise Invalid.field(_FIELD, without_query(url), "has a host that can be read in two ways")
    return host, port


def _check_host(host: str, port: int, url: str) -> None:
    shown = without_query(url)
    if not 0 < port < 65536:
        raise Invalid.field(_FIELD, shown, "has no port from 1 to 65535")
    looks_numeric = ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None
    if looks_numeric and not _is_numeric(host):
        raise Invalid.field(_FIELD, shown, "has a host of digits that is no IP address in full, such as 192.0.2.1")
    if not looks_numeric and not _HOST.fullmatch(host):
        raise Invalid.field(_FIELD, shown, "has no host that could be a name")


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _covers(pattern: str, host: str, port: int) -> bool:
    """Whether `host`, `*.domain`, `host:port` or `[::1]:port` means this one; without a port, 443."""
    found = re.fullmatch(r"(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9]+))?", pattern.lower())
    if found is None or int(found["port"] or HTTPS_PORT) != port:
        return False
    wanted = found["host"].strip("[]")
    if wanted.startswith("*."):
        return host.endswith(wanted[1:]) and not _is_numeric(host)
    return host == wanted
