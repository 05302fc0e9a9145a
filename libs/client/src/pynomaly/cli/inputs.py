"""The user's file as the CSV file that the journey reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pynomaly.errors import InvalidInput
from pynomaly.rows import import_optional

PARQUET = b"PAR1"


def check_file(file: Path) -> None:
    """Raises InvalidInput where it cannot be read."""
    if file.is_dir():
        raise InvalidInput(f"FILE: {str(file)!r} is a folder; name one file in it")
    try:
        with file.open("rb"):
            return
    except FileNotFoundError as error:
        raise InvalidInput(f"FILE: there is no file {str(file)!r}") from error
    except OSError as error:
        raise InvalidInput(f"FILE: {str(file)!r} cannot be read: {error.strerror}") from error


@contextmanager
def as_csv_file(file: Path) -> Iterator[Path]:
    """The file itself, or a Parquet file's rows in a CSV file that lasts as long as the block.

    Raises InvalidInput for a Parquet file with nested columns, or a damaged one.
    """
    if not _is_parquet(file):
        yield file
        return
    polars = import_optional("polars")
    with TemporaryDirectory(prefix="pynomaly-detect-") as folder:
        copy = Path(folder) / f"{file.stem}.csv"
        try:
            polars.read_parquet(file).write_csv(copy)
        except polars.exceptions.PolarsError as error:
            raise InvalidInput(f"FILE: {str(file)!r} is no flat Parquet table: {error}") from error
        yield copy


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(PARQUET)) == PARQUET
