"""A throw-away PostgreSQL for tests: starts in a second, forgets everything."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pynomaly_suite.children import Children
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
