"""What a work finds, and how it is printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """One row of the table: a figure, what it must be, and whether it is. Without a bar it is only told."""

    name: str
    figure: str
    bar: str = ""
    met: bool = True

    @property
    def verdict(self) -> str:
        if not self.bar:
            return ""
        return "met" if self.met else "**missed**"


@dataclass(frozen=True)
class Outcome:
    """bars: rows of the common table. tables: Markdown that follows it. numbers: for build/bench.json."""

    bars: list[Bar]
    tables: list[str] = field(default_factory=list)
    numbers: Mapping[str, object] = field(default_factory=dict)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bars_table(bars: Sequence[Bar]) -> str:
    return markdown(["figure", "measured", "bar", ""], [[bar.name, bar.figure, bar.bar, bar.verdict] for bar in bars])


def milliseconds(value: float) -> str:
    """Three digits that count: 0.0213, 4.52, 1,250."""
    if value >= 100:
        return f"{value:,.0f} ms"
    return f"{value:.3g} ms"
