"""The figures beside the peers, drawn: python tests/bench/plot.py [build/bench.json docs/images/bench.png]"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

ROOT = Path(__file__).parents[2]
OURS = "Pynomaly"
OWN_COLOUR, DEFAULT_COLOUR, TUNED_COLOUR = "#54287c", "#b9b4c4", "#8d86a0"
Panel = tuple[str, dict[str, float]]


def panels(found: Mapping[str, Any]) -> list[Panel]:
    """A title and a figure per server, for each work that ran."""
    drawn: list[Panel] = []
    if "one_row" in found:
        drawn.append(("One row, one caller: ms to the answer (p50)", _figure(found["one_row"]["1"], "p50_ms")))
        drawn.append(("One row, 16 callers: answers per second", _figure(found["one_row"]["16"], "rps")))
    if "many_rows" in found:
        drawn.append(("1,000 rows x 20 as JSON: ms to the answer (p50)", _figure(found["many_rows"], "p50_ms")))
    if "bulk" in found:
        drawn.append(("100,000 rows x 20: ms to the answer (p50)", _figure(found["bulk"], "p50_ms")))
    if "upload" in found:
        drawn.append(("Upload of 1,000,000 x 20 as CSV: s", found["upload"]))
    if "forests" in found:
        drawn.append(("Isolation Forest on 10,000,000 x 20, from the file: s", found["forests"]["large"]))
    return drawn


def _figure(servers: Mapping[str, Mapping[str, float]], name: str) -> dict[str, float]:
    return {label: figures[name] for label, figures in servers.items()}


def draw(results: Path, picture: Path) -> None:
    """Bars on a logarithmic axis, ours coloured."""
    drawn = panels(json.loads(results.read_text()))
    if not drawn:
        return
    figure, axes = plt.subplots((len(drawn) + 1) // 2, min(2, len(drawn)), figsize=(12, 3.6 * ((len(drawn) + 1) // 2)))
    spaces = list(axes.flat) if len(drawn) > 1 else [axes]
    for axis, (title, servers) in zip(spaces, drawn, strict=False):
        _bars(axis, title, servers)
    for axis in spaces[len(drawn) :]:
        axis.remove()
    figure.tight_layout()
    picture.parent.mkdir(exist_ok=True)
    figure.savefig(picture, dpi=110)


def _bars(axis: Axes, title: str, servers: dict[str, float]) -> None:
    labels = list(servers)[::-1]
    bars = axis.barh(labels, [servers[label] for label in labels], color=[_colour(label) for label in labels])
    axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
    axis.set_xscale("log")
    axis.margins(x=0.15)
    axis.set_title(title, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)


def _colour(label: str) -> str:
    if label.startswith(OURS):
        return OWN_COLOUR
    return TUNED_COLOUR if label.endswith("tuned") else DEFAULT_COLOUR


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    draw(*(given or [ROOT / "build" / "bench.json", ROOT / "docs" / "images" / "bench.png"]))
