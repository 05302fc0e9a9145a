"""Files by https: one address that was looked at, no proxy, no cookie, no credentials, few redirects.

Imported when the first import needs it: aiohttp is some megabytes.
"""

import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from socket import AF_INET, AF_INET6, AF_UNSPEC, AI_NUMERICHOST, IPPROTO_TCP, AddressFamily

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dataset_service.errors import SourceRefused, SourceUnavailable
from dataset_service.imports.addresses import Network, resolve
from dataset_service.imports.policy import AllowedSources, WebAddress
from dataset_service.imports.sources import Opened, SourceLimits

MAX_REDIRECTS = 5
PIECE_BYTES = 256 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 425, 429})
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "pynomaly-import"}


@asynccontextmanager
async def opened_web(address: WebAddress, allowed: AllowedSources, limits: SourceLimits) -> AsyncIterator[Opened]:
    """The file at the address. Raises ImportNotAllowed, SourceRefused, SourceUnavailable."""
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(
            resolver=_Checked(allowed.networks), use_dns_cache=False, ssl=_tls(limits), force_close=True
        )
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_timeout_s, sock_read=limits.idle_timeout_s
        )
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=_HEADERS,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        await stack.enter_async_context(session)
        with _translated(address.host):
            response = await _answer(session, stack, address, allowed)
        yield Opened(response.content_type, response.content_length, _chunks(response, address.host))


async def _answer(
    session: aiohttp.ClientSession, stack: AsyncExitStack, address: WebAddress, allowed: AllowedSources
) -> aiohttp.ClientResponse:
    for _ in range(MAX_REDIRECTS + 1):
        request = session.get(URL(address.url, encoded=True), allow_redirects=False)
        response = await stack.enter_async_context(request)
        if response.status not in _REDIRECTS:
            _check_status(response, address.host)
            return response
        address = allowed.redirected(address, response.headers.get("location", ""))
    raise SourceRefused(f"{address.host} sends on to another address more than {MAX_REDIRECTS} times")


def _check_status(response: aiohttp.ClientResponse, host: str) -> None:
    if response.status == 200:
        return
    if response.status >= 500 or response.status in _LATER:
        raise SourceUnavailable(f"{host} answers {response.status}", retry_after_s=5)
    raise SourceRefused(f"{host} answers {response.status} instead of the file", status_code=response.status)


async def _chunks(response: aiohttp.ClientResponse, host: str) -> AsyncIterator[bytes]:
    with _translated(host):
        async for chunk in response.content.iter_chunked(PIECE_BYTES):
            yield chunk


@contextmanager
def _translated(host: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
        raise SourceRefused(f"{host} shows no certificate that is trusted here") from error
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        raise SourceUnavailable(f"{host} does not answer, or broke off", retry_after_s=5) from error


def _tls(limits: SourceLimits) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=limits.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Checked(AbstractResolver):
    """Answers with addresses that were looked at; the connection is made to these."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_UNSPEC) -> list[ResolveResult]:
        addresses = await resolve(host, port, family, self._networks)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=AF_INET if address.version == 4 else AF_INET6,
                proto=IPPROTO_TCP,
                flags=AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is kept."""
