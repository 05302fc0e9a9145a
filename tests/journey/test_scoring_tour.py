"""docs/scoring.md, block by block, as it stands."""

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


def blocks() -> list[tuple[str, str]]:
    found = BLOCK.findall((ROOT / "docs" / "scoring.md").read_text("utf-8"))
    return [(language, text) for language, text in found if THEIRS not in text]


@pytest.mark.timeout(300)
def test_the_tour_from_a_raw_file_to_plain_onnx_runtime_runs_as_it_is_written(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "PYNOMALY_URL": suite.url, "PYNOMALY_HOME": str(suite.home.root)}
    said = []
    for language, text in blocks():
        here = text.replace("http://localhost:8080", suite.url).replace("localhost:8080", suite.url)
        command = ["bash", "-euc", here] if language == "bash" else ["python", "-c", here]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        said.append(ended.stdout)
    trained, answered, verified, scored = said
    assert "metrics.roc_auc" in trained
    assert '"is_anomaly":true' in answered
    assert "Verification succeeded" in verified
    assert "array([ True])" in scored
