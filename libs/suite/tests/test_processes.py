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


def told(home: Path, environment: dict[str, str]) -> dict[str, str]:
    """Of how many jobs the worker does at a time."""
    found = command_of(WORKER, Home(home), Ports(), "postgresql://", environment).env
    return {name: found[name] for name in ("WORKERS", "JOB_CONCURRENCY") if name in found}


@pytest.mark.parametrize("name", ["WORKERS", "JOB_CONCURRENCY"])
def test_the_worker_takes_the_number_that_is_set_by_either_name(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, {name: "3"}) == {name: "3"}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / name).write_text("3")
    assert told(tmp_path, {"CONFIG_DIR": str(tmp_path / "elsewhere")}) == {}
    (tmp_path / "elsewhere").rename(tmp_path / "config")
    assert told(tmp_path, {}) == {}


@pytest.mark.parametrize("environment", [{}, {"WORKERS": ""}], ids=["nothing", "an empty value"])
def test_the_worker_takes_a_number_by_the_cores_where_none_is_set(tmp_path: Path, environment: dict[str, str]) -> None:
    assert told(tmp_path, environment) == {"WORKERS": str(jobs_at_a_time(os.cpu_count() or 1))}
