import resource
import subprocess
import sys
from pathlib import Path

from pynomaly_suite.files import write_whole

WRITE = "import sys; from pathlib import Path; from pynomaly_suite.files import write_whole\n"
WRITE += "write_whole(Path(sys.argv[1]), 'new' * 10_000)"


def test_file_is_replaced_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for text in ("old", "new"):
        write_whole(path, text)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_disk_that_fills_up_meanwhile_leaves_the_old_text(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "old")
    few = (1000, 1000)  # bytes that a file may have: writing more fails as on a full disk
    argv = [sys.executable, "-c", WRITE, str(path)]
    failed = subprocess.run(
        argv,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, few),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in failed.stderr
    assert path.read_text() == "old"
