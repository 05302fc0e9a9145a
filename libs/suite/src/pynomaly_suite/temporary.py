"""Folders of suites that last as long as a block, and what remains of those that were killed within it."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pynomaly_suite.children import Children
from pynomaly_suite.errors import Refused
from pynomaly_suite.layout import Home, is_locked
from pynomaly_suite.postgres import EmbeddedPostgres
from pynomaly_suite.state import State

PREFIX = "pynomaly-suite-"
STARTED_BY_S = 60.0  # a suite has locked its home long before


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home that is removed after the block; one whose block was killed goes when the next is made.

    Raises:
        Refused: no folder for temporary files can be written.
    """
    try:
        holder = tempfile.TemporaryDirectory(prefix=PREFIX)
    except OSError as error:
        raise Refused(f"There is no temporary folder: {error.strerror}. Set TMPDIR to a folder of yours.") from error
    with holder as name:
        remove_abandoned(Path(name).parent)
        Path(name).chmod(0o711)  # as root, PostgreSQL runs as another account
        yield Home(Path(name) / "home")


def remove_abandoned(parent: Path) -> None:
    """Remove this user's homes in `parent` that no suite holds: they have copies of what was uploaded."""
    for folder in parent.glob(f"{PREFIX}*"):
        home = Home(folder / "home")
        if _is_abandoned(folder, home):
            _remove(folder, home)


def _is_abandoned(folder: Path, home: Home) -> bool:
    try:
        if folder.stat().st_uid != os.geteuid() or time.time() - home.lock.stat().st_mtime < STARTED_BY_S:
            return False
        return not is_locked(home)
    except FileNotFoundError:  # not yet made, or somebody else has just removed it
        return False


def _remove(folder: Path, home: Home) -> None:
    state = State.load(home.state)
    if state is not None:
        state.stop_leftovers()
    EmbeddedPostgres(home.postgres, Children(), log=home.log("postgres")).forget_socket()
    shutil.rmtree(folder, ignore_errors=True)  # another start may be removing it too
