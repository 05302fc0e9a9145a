"""The whole suite as processes, on free ports, with databases and a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pynomaly import Client
from pynomaly_suite import Suite, temporary_suite
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

Until = Callable[[Callable[[], bool]], None]
Pynomaly = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def suite() -> Iterator[Suite]:
    with temporary_suite() as running:
        yield running


@pytest.fixture
def client(suite: Suite) -> Iterator[Client]:
    with Client(suite.url) as opened:
        yield opened


@pytest.fixture
def pynomaly(tmp_path: Path) -> Pynomaly:
    """Run the `pynomaly` command in an empty folder; further keywords are environment settings."""

    def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "COLUMNS": "120", **settings}
        command = [str(Path(sys.executable).with_name("pynomaly")), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    return run


@pytest.fixture
def until() -> Until:
    """Look at another process, which cannot wake us, until it is so; RetryError after two minutes."""

    def wait(reached: Callable[[], bool]) -> None:
        Retrying(retry=retry_if_result(lambda so: not so), wait=wait_fixed(0.05), stop=stop_after_delay(120))(reached)

    return wait
