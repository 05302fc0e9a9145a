"""docs/scoring.md and docs/models.md, block by block, as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pynomaly_suite import Suite

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
THEIRS = "tritonclient"  # in an environment of its own: tests/clients


def blocks(document: str) -> list[tuple[str, str]]:
    found = BLOCK.findall((ROOT / "docs" / document).read_text("utf-8"))
    return [(language, text) for language, text in found if THEIRS not in text]


def said_by(document: str, suite: Suite, folder: Path) -> list[str]:
    """What each block prints."""
    (folder / "examples").symlink_to(ROOT / "examples")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "PYNOMALY_URL": suite.url, "PYNOMALY_HOME": str(suite.home.root)}
    environment["COLUMNS"] = "120"
    said = []
    for language, text in blocks(document):
        here = text.replace("http://localhost:8080", suite.url).replace("localhost:8080", suite.url)
        command = ["bash", "-euc", here] if language == "bash" else ["python", "-c", here]
        ended = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        said.append(ended.stdout)
    return said


@pytest.mark.timeout(300)
def test_the_tour_from_a_raw_file_to_plain_onnx_runtime_runs_as_it_is_written(suite: Suite, tmp_path: Path) -> None:
    trained, answered, verified, scored = said_by("scoring.md", suite, tmp_path)
    assert "metrics.roc_auc" in trained
    assert '"is_anomaly":true' in answered
    assert "Verification succeeded" in verified
    assert "array([ True])" in scored


@pytest.mark.timeout(300)
def test_what_is_told_of_models_runs_as_it_is_written(suite: Suite, tmp_path: Path) -> None:
    _, version, noted, moves, _, standing, _, _ = said_by("models.md", suite, tmp_path)
    lineage = json.loads(version)["lineage"]
    assert (lineage["dataset_name"], lineage["detector_name"], lineage["previous_version"]) == ("voices", "voices", "1")
    assert "fewer false alarms on Mondays" in noted
    assert moves.index("better on the labelled week") < moves.index("first in production", moves.index("reason"))
    assert "pinned" in standing
    assert (tmp_path / "voices.zip").exists()
