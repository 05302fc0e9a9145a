"""Every operation of every service against its description: examples, coverage, fuzzing, and chains of operations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynomaly import Client
from pynomaly_suite import Suite, temporary_suite

DATA = Path(__file__).parents[2] / "examples" / "data"
# What answers look like is checked by each service's test_openapi, whose events are texts.
CHECKS = ("not_a_server_error", "response_headers_conformance", "status_code_conformance")
OPTIONS = ("--phases=examples,coverage,fuzzing,stateful", "--max-examples=10", "--seed=1", "--continue-on-failure")
QUIET = ("--generation-database=none", "--no-shrink", "--request-timeout=60", f"--checks={','.join(CHECKS)}")


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    """With the data set, the detector and the model that the descriptions' examples name."""
    with temporary_suite() as running:
        with Client(running.url) as client:
            made = client.datasets.upload(DATA / "vowels.csv", name="thyroid", target_column="is_anomaly")
            detector = client.detectors.create(name="thyroid", algorithm="HBOS")
            client.detectors.train(detector.id, made.id).wait(progress=False)
        yield running


@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", ["dataset", "detector", "model", "gateway"])
def test_no_phase_finds_a_server_error_or_a_status_that_is_not_described(
    suite: Suite, service: str, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks.py"
    hooks.write_text("import pynomaly_suite.conformance  # how bodies that are files are sent\n")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    program = str(Path(sys.executable).with_name("schemathesis"))
    ended = subprocess.run(
        [program, "run", f"{suite.ports.url(service)}/openapi.json", *OPTIONS, *QUIET],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
