"""Where settings come from: the environment, files that it names, and a folder that may change under a process."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

CONFIG_DIR = "CONFIG_DIR"
MAX_BYTES = 64 * 1024
N_TRIES = 5
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_Stamp = dict[str, tuple[int, int, int]]


class SettingProblem(NamedTuple):
    """What is wrong with a setting, and what would be right. value: as it was given; None of a secret."""

    name: str
    message: str
    value: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" + ("" if self.value is None else f" (given: {self.value!r})")


class SettingsRefused(Exception):
    """Settings that cannot be: each with its reason."""

    def __init__(self, *problems: SettingProblem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class Sources(NamedTuple):
    """What was found: `values` hold, by name; `folder` is what CONFIG_DIR says of them."""

    values: Mapping[str, str]
    folder: Mapping[str, str]

    @property
    def overridden(self) -> list[str]:
        """Names of which the environment says something else than the folder."""
        return sorted(name for name, value in self.folder.items() if self.values[name] != value)


def read_sources(names: Iterable[str], environ: Mapping[str, str] = os.environ) -> Sources:
    """The settings as they are given now. The environment goes before CONFIG_DIR, a folder with a file per setting.

    In either, NAME_FILE stands for NAME and holds the path of a file with its value, for every NAME of `names`.
    Raises SettingsRefused.
    """
    given = {name: value for name, value in environ.items() if value}
    folder = read_folder(Path(given[CONFIG_DIR])) if CONFIG_DIR in given else {}
    _check_readers(folder, given)
    names = tuple(names)
    inner = _with_files(folder, names)
    return Sources({**inner, **_with_files(given, names)}, inner)


def read_folder(folder: Path) -> dict[str, str]:
    """The settings of a folder as of one moment. Names that are none, as .hidden and NAME.new, are left out.

    Raises SettingsRefused: also of an empty file, which may be half written.
    """
    for _ in range(N_TRIES):
        try:
            before = _stamp(folder)
            found = {name: _text(folder / name) for name in before}
            if _stamp(folder) == before:
                break
        except FileNotFoundError:
            if not folder.is_dir():
                problem = SettingProblem(CONFIG_DIR, "is no folder; make it, or leave the setting out", str(folder))
                raise SettingsRefused(problem) from None
        except OSError as error:
            problem = SettingProblem(CONFIG_DIR, f"cannot be read: {error.strerror}", error.filename)
            raise SettingsRefused(problem) from error
    else:
        raise SettingsRefused(SettingProblem(CONFIG_DIR, "changes while it is read; try again", str(folder)))
    empty = [name for name, value in found.items() if not value]
    if empty:
        told = "its file is empty, perhaps half written; write it aside and rename it, or remove it"
        raise SettingsRefused(*(SettingProblem(name, told) for name in empty))
    return found


def _check_readers(folder: Mapping[str, str], given: Mapping[str, str]) -> None:
    """PGSSLMODE and its like are the driver's, which sees no folder: nobody would insist on what they ask for."""
    told = "is read by the database's driver, from the environment alone: set it there (in the charts: `environment`)"
    unread = [name for name in folder if name.startswith("PG") and name not in given]
    if unread:
        raise SettingsRefused(*(SettingProblem(name, told) for name in unread))


def _stamp(folder: Path) -> _Stamp:
    """What changes with the files: time, length and file number of each."""
    found = {}
    for path in sorted(folder.iterdir()):
        if _NAME.fullmatch(path.name) and path.is_file():
            state = path.stat()
            found[path.name] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SettingsRefused(SettingProblem(path.name, f"its file is over {MAX_BYTES} bytes"))
    try:
        text = content.decode().strip()
    except UnicodeDecodeError as error:
        raise SettingsRefused(SettingProblem(path.name, f"its file is not UTF-8 text: {error.reason}")) from error
    if "\0" in text:
        raise SettingsRefused(SettingProblem(path.name, "its file holds a NUL byte"))
    return text


def _with_files(given: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    found = dict(given)
    for name in names:
        path = given.get(f"{name}_FILE")
        if path is None:
            continue
        if name in given:
            raise SettingsRefused(SettingProblem(name, f"is set twice, by {name} and by {name}_FILE"))
        try:
            found[name] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsRefused(SettingProblem(f"{name}_FILE", f"cannot read {path}: {error}")) from error
    return found
