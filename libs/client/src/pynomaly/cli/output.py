"""How results look: tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

if TYPE_CHECKING:
    from pydantic import BaseModel

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs; errors too.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Most items to print.")]
LONGEST_CELL = 8
_PARTS = ("metrics", "before")  # fields that are told one by one
EDGES, GAP = 2, 3  # characters that a table needs around its columns, and between two
WIDE = 10_000
R_co = TypeVar("R_co", covariant=True)


class Waitable(Protocol[R_co]):
    """A job's handle."""

    def wait(self, timeout_s: float | None = None, *, progress: bool | None = None) -> R_co: ...


def say(text: str) -> None:
    """A line on standard error, beside the result."""
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def show(answer: "BaseModel", as_json: bool) -> None:
    """One answer, field by field."""
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    table = Table("", Column(overflow="fold"), show_header=False, box=None, pad_edge=False)
    for name, value in told(answer.model_dump(mode="json")):
        table.add_row(f"[bold]{escape(name)}[/]", escape(value))
    _console().print(table)


def told(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each field's name and value in words; a value with its 95 % interval, those of some fields one by one."""
    intervals = fields.get("intervals", {})
    for name, value in fields.items():
        if name in _PARTS and value:
            yield from told(value, f"{prefix}{name}.")
        elif name in intervals:
            yield prefix + name, figure(value, intervals[name])
        elif not _is_beside(name, value):
            yield prefix + name, cell(value) + _bounds(fields.get(f"{name}_interval"), cell)


def _is_beside(name: str, value: Any) -> bool:
    """Whether it is told with another field, or there is nothing to tell."""
    is_seldom = name.endswith("_absent") or name in ("before", "warnings", "settings_changed")
    return name == "intervals" or name.endswith("_interval") or (is_seldom and not value)


def figure(share: float, interval: Sequence[float] | None) -> str:
    """A figure from 0 to 1 with its 95 % interval: 0.962 [0.941, 0.979]."""
    return f"{share:.3f}" + _bounds(interval, "{:.3f}".format)


def _bounds(interval: Sequence[float] | None, written: Callable[[float], str]) -> str:
    return "" if interval is None else f" [{', '.join(map(written, interval))}]"


def show_list(answers: "Iterable[BaseModel]", columns: Sequence[str], limit: int, as_json: bool) -> None:
    """At most `limit` answers, one per line; `columns` are the fields people see, programs see all."""
    found = [answer.model_dump(mode="json") for answer in islice(answers, limit)]
    if as_json:
        print_json({"items": found})
    else:
        show_rows(columns, ([_to_the_second(item.get(name), name) for name in columns] for item in found))


def _to_the_second(value: Any, name: str) -> Any:
    return value[:19] if isinstance(value, str) and (name == "at" or name.endswith("_at")) else value


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A table. Numbers stand to the right; columns that the terminal has no room for are named below."""
    found = list(rows)
    cells = [[cell(value) for value in row] for row in found]
    console = _console()
    n_shown = _n_fitting([max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)], console.width)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns[:n_shown]):
        numeric = any(isinstance(row[place], (int, float)) for row in found)
        table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    for texts in cells:
        table.add_row(*map(escape, texts[:n_shown]))
    if title is not None:
        console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    if n_shown < len(columns):
        say(f"No room for {escape(', '.join(columns[n_shown:]))}.")


def _n_fitting(widths: Sequence[int], room: int) -> int:
    """How many columns fit side by side, from the left; of two or fewer the cells are folded instead."""
    n_columns = len(widths)
    while n_columns > 2 and sum(widths[:n_columns]) + GAP * (n_columns - 1) + EDGES > room:
        n_columns -= 1
    return n_columns


def _console() -> Console:
    """Standard output; a pipe or a file has room for everything."""
    return Console(width=None if sys.stdout.isatty() or os.environ.get("COLUMNS") else WIDE)


def cell(value: Any) -> str:
    """A value in few characters."""
    if value is None or value in ({}, []):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def brief(text: str) -> str:
    """A file's own text on one line: as it is where it is short, else rounded or cut."""
    line = " ".join(text.split())
    if len(line) <= LONGEST_CELL:
        return line
    try:
        return f"{float(line):.4g}"
    except ValueError:
        return line[: 2 * LONGEST_CELL] + "…"


def print_json(value: Any) -> None:
    """For programs: a terminal gets it indented."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def waited(job: Waitable[R_co], as_json: bool) -> R_co:
    """The job's result. Ctrl-C leaves it running and says how to come back to it."""
    try:
        return job.wait(progress=False if as_json else None)
    except KeyboardInterrupt as stop:
        for note in getattr(stop, "__notes__", []):
            say(note)
        raise


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """'name=value' texts as a dict. Raises typer.BadParameter naming one that is not, or a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} must be NAME=VALUE", param_hint=option)
        if name in found:
            raise typer.BadParameter(f"{name!r} is given twice; give each name once", param_hint=option)
        found[name] = value
    return found


def names(text: str | None) -> list[str] | None:
    """'a,b,c' as its names."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
