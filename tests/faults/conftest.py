"""The suite, and what kills one of its processes again and again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from killing.sweep import Sweep, seed_of_today
from pynomaly_suite import Suite, temporary_suite

Killed = Callable[..., Sweep]


@pytest.fixture(scope="module")
def durable_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Its database writes to the disk, as in production; a job's lease is short, that none waits for long."""
    jobs = {"JOB_LEASE_S": "3", "JOB_POLL_S": "0.2", "JOB_FOLDER": str(tmp_path_factory.mktemp("jobs"))}
    with temporary_suite(durable=True, settings=jobs) as running:
        yield running


@pytest.fixture
def killed(durable_suite: Suite, request: pytest.FixtureRequest) -> Killed:
    """`killed(process, kinds)`: a sweep; FAULT_KILLS says how often, FAULT_SEED when. A failure tells both."""

    def make(process: str, kinds: dict[str, float]) -> Sweep:
        n_kills, seed = int(os.environ.get("FAULT_KILLS") or 50), seed_of_today()
        request.node.add_report_section("call", "seed", f"FAULT_SEED={seed} FAULT_KILLS={n_kills}")
        return Sweep(durable_suite, process, kinds, n_kills, seed)

    return make
