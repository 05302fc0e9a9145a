import os
from pathlib import Path

import pytest
from pynomaly_suite.layout import Home, lock_home
from pynomaly_suite.temporary import remove_abandoned


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """As a suite leaves it that was killed a while ago."""
    home = Home(tmp_path / "pynomaly-suite-x" / "home")
    home.create()
    home.lock.touch()
    os.utime(home.lock, (0, 0))
    return home


def test_home_of_a_killed_suite_goes_with_its_socket(home: Home, tmp_path: Path) -> None:
    socket_folder = tmp_path / "pynomaly-socket"
    socket_folder.mkdir()
    (home.postgres / "socket-folder").write_text(str(socket_folder))
    remove_abandoned(tmp_path)
    assert not list(tmp_path.iterdir())


def test_home_of_a_running_suite_stays(home: Home, tmp_path: Path) -> None:
    with lock_home(home, lambda: None):
        remove_abandoned(tmp_path)
    assert home.lock.exists()


def test_home_that_is_just_being_made_stays(home: Home, tmp_path: Path) -> None:
    os.utime(home.lock)
    remove_abandoned(tmp_path)
    assert home.lock.exists()


def test_folder_without_a_home_stays(tmp_path: Path) -> None:
    (tmp_path / "pynomaly-suite-y").mkdir()
    remove_abandoned(tmp_path)
    assert (tmp_path / "pynomaly-suite-y").exists()
