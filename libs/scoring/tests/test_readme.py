import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_readmes_example_runs_as_written(archive: bytes, keys: Path, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.+?)```", README.read_text(), re.DOTALL)
    (tmp_path / "model.zip").write_bytes(archive)
    (tmp_path / "trusted").symlink_to(keys / "public")
    ran = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "[0. 0.] [False False]\n"
