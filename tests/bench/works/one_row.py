"""One row as JSON, by one, 16 and 32 callers; and the floors below it."""

import math
import statistics
import sys
import time
import urllib.error
from dataclasses import asdict
from functools import partial

import floor
from dialects import OURS_ONE
from figures import Bar, Outcome, markdown, milliseconds
from generator import Figures
from pynomaly_suite import Ports
from pynomaly_suite.children import Command
from servers import HOST
from stage import OURS, Stage, post

CROWDS = (16, 32)
MIN_RPS = 2_500  # with 16 callers
WHATS = ("p50", "p99", "rps", "cpu")
FLOORS = {"a constant from bare sockets": "sockets", "a constant from uvicorn": "uvicorn"}


def measure(stage: Stage) -> Outcome:
    row = stage.rows[:1]
    alone = stage.compared(OURS_ONE, row, stage.rivals, warm=20, at_least=20)
    crowds = {n: stage.compared(OURS_ONE, row, stage.rivals, warm=2 * n, at_least=4 * n, connections=n) for n in CROWDS}
    floors = _floors(stage)
    bars = [_alone(stage, alone), *(bar for n, found in crowds.items() for bar in _crowd(stage, n, found))]
    table = _table({1: alone | floors} | crowds)
    numbers = {
        str(n): {label: asdict(each) for label, each in found.items()} for n, found in {1: alone, **crowds}.items()
    }
    return Outcome(
        [*bars, *_pyod(stage, alone[OURS])],
        [f"One row as JSON, each server at its own format; cpu is the server's processor time per answer:\n\n{table}"],
        numbers,
    )


def _alone(stage: Stage, found: dict[str, Figures]) -> Bar:
    own = found[OURS].p50_ms
    name = "1 row JSON, c=1, p50"
    if not stage.rivals:
        return Bar(name, milliseconds(own))
    best = min(stage.rivals, key=lambda label: found[label].p50_ms)
    ratio = found[best].p50_ms / own
    return Bar(
        name, f"{milliseconds(own)}; {best} {milliseconds(found[best].p50_ms)}: 1/{ratio:.1f}", "<= 1/15", ratio >= 15
    )


def _crowd(stage: Stage, n: int, found: dict[str, Figures]) -> list[Bar]:
    own, tail = found[OURS], found[OURS].p99_ms / found[OURS].p50_ms
    bars = [Bar(f"1 row JSON, c={n}, p99 / p50", f"{tail:.2f}", "<= 3", tail <= 3)]
    if n == CROWDS[0]:
        bars.append(Bar(f"1 row JSON, c={n}", f"{own.rps:,.0f} rps", f">= {MIN_RPS:,} rps", own.rps >= MIN_RPS))
    for tuned, wanted in ((False, 25), (True, 3)):
        labels = [label for label, rival in stage.rivals.items() if bool(rival.peer.tuned) is tuned]
        if labels:
            best = max(labels, key=lambda label: found[label].rps)
            ratio = own.rps / found[best].rps
            figure = f"{own.rps:,.0f} rps; {best} {found[best].rps:,.0f}: {ratio:.1f}x"
            bars.append(
                Bar(
                    f"1 row JSON, c={n}, against {'tuned' if tuned else 'default'}",
                    figure,
                    f">= {wanted}x",
                    ratio >= wanted,
                )
            )
    return bars


def _floors(stage: Stage) -> dict[str, Figures]:
    """The generator against servers that only answer: neither the sockets nor uvicorn can be faster."""
    turns = {}
    for label, kind in FLOORS.items():
        port = Ports.free().model
        stage.children.spawn(
            Command(kind, (sys.executable, floor.__file__, kind, str(port)), {}, stage.folder / "floor.log")
        )
        url = f"http://{HOST}:{port}"
        stage.children.until(partial(answers, url), timeout_s=30, what=kind)
        turns[label] = stage.turn(url, OURS_ONE, stage.rows[:1], warm=100)
    return stage.generator.interleaved(turns, 2 if stage.quick else 5)


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    try:
        return bool(post(url, b"{}", ""))
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _pyod(stage: Stage, own: Figures) -> list[Bar]:
    """decision_function of one row, same data, same parameters, in process."""
    from pyod.models.iforest import IForest  # noqa: PLC0415 - 2 s that only this needs

    forest, row = IForest(random_state=0).fit(stage.rows), stage.rows[:1]
    took = []
    for _ in range(50 if stage.quick else 200):
        began = time.perf_counter()
        forest.decision_function(row)
        took.append(time.perf_counter() - began)
    pyod_ms = statistics.median(took) * 1000
    ratio = pyod_ms / own.p50_ms
    figure = f"{milliseconds(own.p50_ms)}; PyOD {milliseconds(pyod_ms)}: {ratio:.1f}x"
    return [Bar("1 row JSON, c=1, against PyOD in process without HTTP", figure, ">= 10x", ratio >= 10)]


def _table(found: dict[int, dict[str, Figures]]) -> str:
    head = ["server", *(f"c={n}: {what}" for n in found for what in WHATS)]
    rows = []
    for label in found[1]:
        cells = [label]
        for each in found.values():
            figures = each.get(label)
            cells += _cells(figures) if figures else [""] * len(WHATS)
        rows.append(cells)
    return markdown(head, rows)


def _cells(found: Figures) -> list[str]:
    cpu = "" if math.isnan(found.cpu_ms) else milliseconds(found.cpu_ms)
    return [milliseconds(found.p50_ms), milliseconds(found.p99_ms), f"{found.rps:,.0f}", cpu]
