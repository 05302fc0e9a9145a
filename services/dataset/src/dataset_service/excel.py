"""Excel workbooks: one sheet, its first row naming the columns, read by a process of its own.

A workbook of two kilobytes can ask its reader for any amount of memory: cells far out, parts that inflate to more
than they claim. The process that reads it may have so much, and no more; the service lives on.
"""

import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import orjson
from pynomaly_chassis.problems import BodyTooLarge, Invalid

from dataset_service.errors import InvalidFile
from dataset_service.excel_child import ABSENT, MEMORY_BYTES, SHEET, UNREADABLE

MAX_EXPANDED_BYTES = 512 * 1024 * 1024
TIMEOUT_S = 600.0
_PIECE_BYTES = 1024 * 1024
_TOLD = ("PATH", "PYTHONPATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")  # none of the service's secrets


def read_sheet(path: Path, target: Path, sheet: str | None) -> str:
    """Write the rows of a sheet, None: of the first one, to an Arrow file; the sheet's name.

    Raises InvalidFile, Invalid where there is no such sheet, BodyTooLarge.
    """
    _check_size(path)
    wanted = [] if sheet is None else [sheet]
    command = [sys.executable, "-P", "-m", "dataset_service.excel_child", str(path), str(target), *wanted]
    told = {name: os.environ[name] for name in _TOLD if name in os.environ}
    environment = told | {"POLARS_MAX_THREADS": "1"}
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - our own program
    except subprocess.TimeoutExpired as error:
        raise BodyTooLarge(f"the workbook is not read within {TIMEOUT_S:g} s; send CSV or Parquet") from error
    if ended.returncode:
        raise BodyTooLarge(f"the workbook cannot be read in {MEMORY_BYTES // 2**20} MiB; send CSV or Parquet")
    return _name(orjson.loads(ended.stdout), sheet)


def _name(told: dict[str, object], sheet: str | None) -> str:
    if UNREADABLE in told:
        raise InvalidFile.at(str(told[UNREADABLE]))
    if ABSENT in told:
        raise Invalid.field("body.sheet", sheet, str(told[ABSENT]))
    return str(told[SHEET])


def _check_size(path: Path) -> None:
    """What the zip says of itself, and that this is so."""
    try:
        with zipfile.ZipFile(path) as book:
            parts = book.infolist()
            n_bytes = sum(part.file_size for part in parts)
            if n_bytes > MAX_EXPANDED_BYTES:
                detail = f"the workbook expands to {n_bytes} bytes; send CSV or Parquet over {MAX_EXPANDED_BYTES}"
                raise BodyTooLarge(detail)
            for part in parts:
                _check_part(book, part)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError, zlib.error) as error:
        raise InvalidFile.at(f"the file is not a readable Excel workbook: {error}") from error
    if "[Content_Types].xml" not in {part.filename for part in parts}:
        raise InvalidFile.at("the file is a zip, but no Excel workbook (.xlsx); send the files in it one by one")


def _check_part(book: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """That it inflates to what it claims. Raises BadZipFile."""
    claimed = part.file_size
    part.file_size += 1  # the library stops at the claim, and so would not see more
    n_bytes = 0
    with book.open(part) as content:
        while piece := content.read(_PIECE_BYTES):
            n_bytes += len(piece)
    if n_bytes != claimed:
        raise zipfile.BadZipFile(f"{part.filename[:80]!r} claims {claimed} bytes and has others")
