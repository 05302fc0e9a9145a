"""The suite as a whole: the hop through the gateway, a second start, the memory of its processes."""

import tempfile
import time
from pathlib import Path

import cores
from dialects import OURS_ONE
from figures import Bar, Outcome, markdown, milliseconds
from pynomaly_suite import status, suite_running
from stage import MIB, Stage, tree_bytes

MAX_HOP, MAX_START_S, MAX_ROW_MS = 2.5, 8.0, 0.5


def measure(stage: Stage) -> Outcome:
    urls = {"direct": stage.model_url, "door": stage.suite.url}
    turns = {name: stage.turn(url, OURS_ONE, stage.rows[:1], warm=50) for name, url in urls.items()}
    found = stage.generator.interleaved(turns, 3 if stage.quick else 7)
    direct, door = found["direct"].p50_ms, found["door"].p50_ms
    first_s, second_s = _starts()
    bars = [
        Bar("1 row JSON, model service, c=1, p50", milliseconds(direct), f"<= {MAX_ROW_MS} ms", direct <= MAX_ROW_MS),
        Bar(
            "1 row JSON, through the gateway, c=1, p50 / direct",
            f"{door / direct:.2f} ({milliseconds(door)})",
            f"<= {MAX_HOP}",
            door / direct <= MAX_HOP,
        ),
        Bar("first start of the suite to ready, databases made and migrated", f"{first_s:.1f} s"),
        Bar("second start to ready, state kept", f"{second_s:.1f} s", f"<= {MAX_START_S:g} s", second_s <= MAX_START_S),
    ]
    numbers = {"direct_ms": direct, "door_ms": door, "first_s": first_s, "second_s": second_s}
    return Outcome(bars, [_memory(stage)], numbers)


def _starts() -> tuple[float, float]:
    """Seconds until another suite was ready, made new, and again."""
    with tempfile.TemporaryDirectory(prefix="pynomaly-bench-") as name:
        home = Path(name)
        home.chmod(0o711)  # as root, PostgreSQL runs as another account
        return _start_s(home), _start_s(home)


def _start_s(home: Path) -> float:
    began = time.perf_counter()
    with cores.unpinned(), suite_running(home):
        return time.perf_counter() - began


def _memory(stage: Stage) -> str:
    processes = status(stage.suite.home.root).processes
    cells = [[each.name, f"{tree_bytes(each.pid) / MIB:.0f}"] for each in processes]
    return f"Memory of the suite's processes after all this:\n\n{markdown(['process', 'MiB'], cells)}"
