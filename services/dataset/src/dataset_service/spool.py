"""Files in the making. Each process has a folder of its own, which its end or the next start removes."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


class Spool:
    """A folder under `root` whose lock tells other processes that its owner lives."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder = root / uuid4().hex
        self._lock = -1

    def open(self) -> None:
        """Remove what killed processes left and make this one's folder. Raises OSError."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self._root):  # nobody takes a folder for abandoned between its making and its locking
            for entry in self._root.iterdir():
                _remove_if_abandoned(entry)
            self.folder.mkdir(mode=0o700)
            self._lock = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the folder with all it has."""
        shutil.rmtree(self.folder)
        os.close(self._lock)

    @contextmanager
    def file(self, suffix: str) -> Iterator[Path]:
        """A path for the block to write; the file is gone after it, unless it was moved away."""
        path = self.folder / f"{uuid4().hex}{suffix}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _remove_if_abandoned(entry: Path) -> None:
    try:
        with _locked(entry, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()  # the trial file of a start that was killed
    except BlockingIOError:
        return  # its owner lives
    except FileNotFoundError:
        return  # its owner has just removed it
