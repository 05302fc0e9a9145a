"""What a user does, through the door: TLS, the ingress gateway, sidecars and mutual TLS."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rig.cluster import INGRESS_PLAIN
from rig.commands import ROOT
from rig.door import HOST

pytestmark = pytest.mark.timeout(600)


def test_the_tour_of_make_run_passes_through_the_door(outside: None, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/tour.py")]
    tour = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert tour.returncode == 0, tour.stdout + tour.stderr
    assert "ROC AUC" in tour.stdout


def test_each_prefix_is_answered_by_its_owner_and_the_rest_by_the_gateway(http: httpx.Client) -> None:
    for path in ("/api/v1/datasets", "/api/v1/detectors", "/api/v1/algorithms", "/api/v1/models", "/status", "/docs"):
        assert http.get(path).status_code == 200, path
    assert http.get("/api/v1/datasetsX").status_code == 404


def test_answers_ask_for_tls_next_time_and_the_plain_port_leads_to_it(http: httpx.Client) -> None:
    assert "max-age=" in http.get("/api/v1/datasets").headers["strict-transport-security"]
    with httpx.Client(trust_env=False, timeout=60) as plain:
        answer = plain.get(f"http://{INGRESS_PLAIN}/api/v1/datasets", headers={"host": HOST})
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{HOST}/api/v1/datasets")
