"""Fixtures for the tests of every house."""

from collections.abc import Iterator

import pytest

from pynomaly_suite.testing import TemporaryPostgres, temporary_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    """One real PostgreSQL per test process; `postgres.database("dataset")` is a new, empty database."""
    with temporary_postgres() as server:
        yield server
