"""What each process of the suite is told."""

import os
from pathlib import Path

import pytest
from pynomaly_suite.layout import Home
from pynomaly_suite.ports import Ports
from pynomaly_suite.processes import PROGRAMS, command_of, jobs_at_a_time

(WORKER,) = [each for each in PROGRAMS if each.command == "worker"]


@pytest.mark.parametrize(("n_cores", "n_jobs"), [(1, 1), (2, 1), (8, 4)], ids=["one core", "two", "eight"])
def test_half_of_the_cores_work_on_jobs(n_cores: int, n_jobs: int) -> None:
    assert jobs_at_a_time(n_cores) == n_jobs


def test_the_worker_takes_the_number_that_is_set_else_one_by_the_cores(tmp_path: Path) -> None:
    def workers(environment: dict[str, str]) -> str:
        return command_of(WORKER, Home(tmp_path), Ports(), "postgresql://", environment).env["WORKERS"]

    assert workers({"WORKERS": "3"}) == "3"
    assert workers({}) == str(jobs_at_a_time(os.cpu_count() or 1))
