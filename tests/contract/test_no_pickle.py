"""The check that no file of the tree reads or writes pickle finds each way to do it."""

import subprocess
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "tools" / "no-pickle"
FORBIDDEN = {
    "import": "import pickle",
    "indented": "def load():\n    import joblib",
    "among-others": "import os, pickle as p",
    "after-another": "import os; import dill",
    "under-another-name": "import cloudpickle as fast",
    "from": "from pickle import loads",
    "from-inside": "from joblib.memory import Memory",
    "in-c": "import _pickle",
    "shelf": "import shelve",
    "by-name": 'found = import_module("pickle")',
    "dunder": "found = __import__('joblib')",
    "numpy": "np.load(path, allow_pickle=True)",
    "numpy-spaced": "np.load(path, allow_pickle = True)",
    "numpy-by-name": 'options = {"allow_pickle": True}',
    "pandas": "frame = pd.read_pickle(path)",
    "pandas-writing": "frame.to_pickle(path)",
    "torch": "state = torch.load(path)",
}
ALLOWED = {
    "prose": "# no pickle, no joblib: import nothing that runs code",
    "numpy": "np.load(path, allow_pickle=False)",
    "name": "from pickled_cucumbers import jar",
    "torch": "torch.onnx.export(network, rows, file)",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def checked(tree: Path, path: str, text: str) -> subprocess.CompletedProcess[str]:
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")
    subprocess.run(["git", "add", path], cwd=tree, check=True)
    return subprocess.run([CHECK], cwd=tree, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_way_to_pickle_is_found_and_named(tree: Path, text: str) -> None:
    found = checked(tree, "libs/x/odd.py", text)
    assert (found.returncode, found.stdout.startswith("libs/x/odd.py:")) == (1, True)


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED)
def test_what_only_speaks_of_it_passes(tree: Path, text: str) -> None:
    assert checked(tree, "fine.py", text).returncode == 0


def test_programs_without_an_ending_are_read_too(tree: Path) -> None:
    assert checked(tree, "tools/odd", "#!/usr/bin/env python3\nimport pickle").returncode == 1


def test_other_peoples_servers_in_the_benchmark_may(tree: Path) -> None:
    assert checked(tree, "tests/bench/peers/forest.py", "import joblib").returncode == 0


def test_a_folder_that_is_no_repository_is_a_failure_and_not_a_pass(tmp_path: Path) -> None:
    found = subprocess.run([CHECK], cwd=tmp_path, capture_output=True, check=False)
    assert found.returncode == 1
