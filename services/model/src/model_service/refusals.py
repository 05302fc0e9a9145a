"""What is wrong with rows, named by row and column as they were sent. Pure."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from pynomaly_contracts.problems import FieldProblem

MAX_PROBLEMS = 50
_MAX_SHOWN_NAMES = 20


class RowsRefused(ValueError):
    """Rows that do not fit the model. problems: one per wrong value, at most 50, in the order of rows."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems[:5]))
        self.problems = problems


class Wrong(NamedTuple):
    """One thing. row, column: from 0, -1 where it is not about one; name: the column's."""

    row: int
    column: int
    name: str
    value: Any
    message: str


class Sent(NamedTuple):
    """How rows were sent, which is how problems name them.

    place: begins the names. rows: those that came as objects or arrays. single: they are one, not in a list.
    first_row: the number of the first.
    """

    place: str
    rows: Sequence[Any] = ()
    single: bool = False
    first_row: int = 0

    def refuse(self, wrong: Iterable[Wrong]) -> None:
        """Raises RowsRefused if anything is."""
        first = sorted(wrong, key=itemgetter(0, 1))[:MAX_PROBLEMS]
        if first:
            raise RowsRefused([self._problem(item) for item in first])

    def _problem(self, wrong: Wrong) -> FieldProblem:
        shown = None if isinstance(wrong.value, dict | list) else wrong.value
        return FieldProblem(field=".".join(self._path(wrong)), message=wrong.message, value=shown)

    def _path(self, wrong: Wrong) -> list[str]:
        path = [self.place]
        if wrong.row >= 0 and not self.single:
            path.append(str(wrong.row + self.first_row))
        if wrong.name:
            in_array = bool(self.rows) and isinstance(self.rows[wrong.row], list)
            path.append(str(wrong.column) if in_array else wrong.name[:128])
        return path


def shown(names: Sequence[str]) -> str:
    """The first of them."""
    more = len(names) - _MAX_SHOWN_NAMES
    return ", ".join(names[:_MAX_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
