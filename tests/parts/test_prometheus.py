"""Prometheus's own checker reads what every process of a running suite exposes."""

import os
import subprocess

import httpx
import pytest
from pynomaly_suite import Suite


@pytest.mark.parametrize("service", ["dataset", "detector", "model", "gateway", "worker"])
def test_promtool_reads_the_metrics_and_finds_nothing_to_say(suite: Suite, service: str) -> None:
    metrics = httpx.get(f"{suite.ports.url(service)}/metrics")
    assert metrics.status_code == 200
    checked = subprocess.run(
        [os.environ.get("PROMTOOL", "promtool"), "check", "metrics"],
        input=metrics.text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
