"""The README's examples run as they are written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
OURS, PLAIN = re.findall(r"```python\n(.+?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", [OURS, PLAIN], ids=["ours", "plain-onnxruntime"])
def test_an_example_runs_as_written(archive: bytes, keys: Path, tmp_path: Path, example: str) -> None:
    (tmp_path / "model.zip").write_bytes(archive)
    (tmp_path / "trusted").symlink_to(keys / "public")
    ran = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "[0. 0.] [False False]\n"


def test_the_plain_example_is_ten_lines_without_us() -> None:
    assert len([line for line in PLAIN.splitlines() if line]) == 10
    assert "pynomaly" not in PLAIN
