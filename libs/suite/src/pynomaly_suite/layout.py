"""Where the suite keeps its state, and the lock that lets one suite at a time have it."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import platformdirs

from pynomaly_suite.errors import Refused

MIN_FREE_BYTES = 200 * 1024 * 1024
HANDOVER_S = 30.0  # what a reaper may need to stop what a killed supervisor left


@dataclass(frozen=True, slots=True)
class Home:
    """The folders under PYNOMALY_HOME."""

    root: Path

    @classmethod
    def find(cls, root: Path | None = None) -> "Home":
        """`root`, else PYNOMALY_HOME, else the user's data folder of this platform."""
        chosen = root or os.environ.get("PYNOMALY_HOME") or platformdirs.user_data_path("pynomaly")
        return cls(Path(chosen).expanduser().absolute())

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def state(self) -> Path:
        return self.root / "run" / "suite.json"

    @property
    def lock(self) -> Path:
        return self.root / "run" / "lock"

    @property
    def signing_key(self) -> Path:
        return self.keys / "signing.pem"

    @property
    def trusted_keys(self) -> Path:
        return self.keys / "trusted"

    @property
    def admin_token(self) -> Path:
        return self.keys / "admin-token"

    @property
    def config(self) -> Path:
        """A file per setting, which every service reads again when it is told to."""
        return self.root / "config"

    def storage(self, service: str) -> Path:
        return self.root / "storage" / service

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        """Make the folders, closed to others; only the way to PostgreSQL's own folder can be passed through.

        Raises:
            Refused: the folder cannot be made or written.
        """
        try:
            for folder in (self.root, self.postgres):
                folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            for folder in (
                self.keys,
                self.trusted_keys,
                self.logs,
                self.config,
                self.state.parent,
                self.root / "storage",
            ):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Refused(
                f"Cannot write to {error.filename or self.root}: {error.strerror}. Set PYNOMALY_HOME to a folder "
                "of yours."
            ) from error


def check_free_space(folder: Path, free_bytes: Callable[[Path], int]) -> None:
    """Raises:
    Refused: fewer than 200 MiB are free on the disk of `folder`.
    """
    free = free_bytes(folder)
    if free < MIN_FREE_BYTES:
        raise Refused(
            f"Only {free / 2**20:.0f} MiB are free on the disk of {folder}; the suite needs "
            f"{MIN_FREE_BYTES / 2**20:.0f} MiB. Free some space, or move PYNOMALY_HOME to another disk."
        )


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write on the disk of `folder`."""
    return shutil.disk_usage(folder).free


def lock_home(home: Home, owner: Callable[[], int | None]) -> IO[bytes]:
    """The open lock file; closing it (in every process that has it) gives the home back.

    `owner()` is the process id of a living supervisor of this home. Where there is none but the lock is held, a
    reaper is still stopping what a killed supervisor left: waited for.

    Raises:
        Refused: another suite runs on this home.
    """
    file = home.lock.open("ab")
    deadline = time.monotonic() + HANDOVER_S
    while not _locked(file):
        pid = owner()
        if pid is not None or time.monotonic() > deadline:
            file.close()
            who = f"process {pid}" if pid is not None else f"see what holds {home.lock}"
            raise Refused(
                f"Another suite runs on {home.root} ({who}). Use it, stop it with `pynomaly down`, or set "
                "PYNOMALY_HOME to another folder."
            )
        time.sleep(0.05)
    return file


def is_locked(home: Home) -> bool:
    """Whether a suite, or what is left of one, has this home."""
    if not home.lock.exists():
        return False
    with home.lock.open("ab") as file:
        return not _locked(file)


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
