"""A web server by https, with an authority of its own, to import from."""

import asyncio
import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CSV = b"a,b\n1,2.5\n3,4.5\n"


class Site:
    """A web server by https: what it was asked, and what it holds back until it is told to go on."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "ca.pem"
        self.key = folder / "key.pem"
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.n_failures = 0
        self.port = 0

    def url(self, path: str, host: str = "localhost") -> str:
        return f"https://{host}:{self.port}/{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.headers.append(dict(request.headers))
        name = request.match_info["name"]
        if name == "later.csv" and self.n_failures:
            self.n_failures -= 1
            return web.Response(status=503)
        answers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "to": self._redirect,
            "loop": self._redirect,
            "held.csv": self._held,
            "cut.csv": self._cut,
            "large.csv": self._large,
        }
        if name in answers:
            return await answers[name](request)
        bodies = {"t.csv": CSV, "later.csv": CSV, "t.csv.gz": gzip.compress(CSV), "bad.csv": b"a,b\n1\n"}
        if name not in bodies:
            return web.Response(status=404)
        return web.Response(body=bodies[name], content_type="text/csv")

    async def _redirect(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"location": request.query.get("where", "/loop")})

    async def _held(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/csv", "content-length": str(len(CSV))})
        await response.prepare(request)
        await response.write(CSV[:8])
        self.reached.set()
        await self.go_on.wait()
        await response.write(CSV[8:])
        return response

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "1000"})
        await response.prepare(request)
        await response.write(CSV)
        assert request.transport is not None
        request.transport.close()
        return response

    async def _large(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a\n")
        for _ in range(20):  # 2 MB, of which the first half is too much
            await response.write(b"1\n" * 50_000)
        return response


def make_certificate(site: Site) -> None:
    """One that is its own authority, for localhost and its address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    site.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    site.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/{name}", site.answer)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(site.certificate, site.key)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await server.start()
    site.port = runner.addresses[0][1]
    yield
    site.go_on.set()
    await runner.cleanup()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    make_certificate(site)
    async with serving(site):
        yield site
