"""A throw-away PostgreSQL and a throw-away S3 server for tests: each starts in a second, forgets everything."""

import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pynomaly_suite.children import Children, Command
from pynomaly_suite.ports import HOST, Ports
from pynomaly_suite.postgres import DatabaseUrls, EmbeddedPostgres
from pynomaly_suite.roles import Database


class TemporaryPostgres:
    """A running server that makes databases on request."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    def database(self, service: str) -> DatabaseUrls:
        """A new, empty database with the roles that the service has in production."""
        database = Database.of_service(service, name=f"{service}_{next(self._numbers)}")
        self._server.provision([database])
        return DatabaseUrls({role: self._server.url(role, database.name) for role in database.roles})


@contextmanager
def temporary_postgres() -> Iterator[TemporaryPostgres]:
    """A server for the block. It ends with this process, even by kill -9."""
    with tempfile.TemporaryDirectory(prefix="pynomaly-pg-") as name, Children() as children:
        folder = Path(name)
        folder.chmod(0o711)  # as root, the server runs as another account
        server = EmbeddedPostgres(folder, children, log=folder / "postgres.log", durable=False)
        server.start()
        try:
            yield TemporaryPostgres(server)
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class TemporaryS3:
    """A running S3 server, which checks every signature, at an address without TLS."""

    url: str
    access_key_id: str = "test"
    secret_access_key: str = "only-for-this-test"  # noqa: S105 - of a server that ends with the test


@contextmanager
def temporary_s3(*buckets: str) -> Iterator[TemporaryS3]:
    """A server with these buckets for the block. It ends with this process, even by kill -9.

    It is nanio, which only the tests' environment has.
    """
    with tempfile.TemporaryDirectory(prefix="pynomaly-s3-") as name, Children() as children:
        folder, log, port = Path(name, "data"), Path(name, "s3.log"), Ports.free().gateway
        for bucket in buckets:
            (folder / bucket).mkdir(parents=True)
        server = TemporaryS3(f"http://{HOST}:{port}")
        keys = {"NANIO_ACCESS_KEY": server.access_key_id, "NANIO_SECRET_KEY": server.secret_access_key}
        program = str(Path(sys.executable).with_name("nanio"))
        argv = (program, "serve", "--host", HOST, "--port", str(port), "--data-dir", str(folder))
        children.spawn(Command("s3", argv, os.environ | keys, log))
        children.until(lambda: log.exists() and "running on" in log.read_text(), timeout_s=60, what="The S3 server is")
        yield server
