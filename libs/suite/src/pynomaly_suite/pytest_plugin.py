"""Fixtures for the tests of every house."""

import signal
from collections.abc import Callable, Iterator

import pytest

from pynomaly_suite.service_process import ServiceProcess
from pynomaly_suite.testing import TemporaryPostgres, temporary_postgres

StartService = Callable[..., ServiceProcess]


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    """One real PostgreSQL per test process; `postgres.database("dataset")` is a new, empty database."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture
def start_service() -> Iterator[StartService]:
    """Makes a ServiceProcess of its arguments; those that still run after the test are killed."""
    started: list[ServiceProcess] = []

    def start(service: str, environment: dict[str, str], *, file_limit_kib: int | None = None) -> ServiceProcess:
        started.append(ServiceProcess(service, environment, file_limit_kib=file_limit_kib))
        return started[-1]

    yield start
    for process in started:
        if process.runs:
            process.end(signal.SIGKILL)
