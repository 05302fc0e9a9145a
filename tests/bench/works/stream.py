"""One client that streams rows over a WebSocket, against the best peer's client that asks one row after the other."""

from dataclasses import replace

from dialects import OURS_ONE
from figures import Bar, Outcome
from stage import OURS, Stage

PATH = "/api/v1/predict/stream"
WINDOW, WANTED = 64, 10


def measure(stage: Stage) -> Outcome:
    """Rows per second; 64 messages are in flight."""
    rounds, row = 2 if stage.quick else 3, stage.rows[:1]
    turns = {label: stage.turn(each.url, each.peer.dialect, row, warm=20) for label, each in stage.rivals.items()}
    single = stage.turn(stage.model_url, OURS_ONE, row, warm=20)
    streamed = replace(single, url=stage.model_url + PATH, window=WINDOW, warm=2 * WINDOW)
    found = stage.generator.interleaved({**turns, f"{OURS}, requests": single, OURS: streamed}, rounds)
    numbers = {label: each.rps for label, each in found.items()}
    own, name = numbers[OURS], "WebSocket stream, 1 client"
    if not turns:
        return Outcome([Bar(name, f"{own:,.0f} rows/s")], numbers=numbers)
    best = max(turns, key=lambda label: numbers[label])
    ratio = own / numbers[best]
    figure = f"{own:,.0f} rows/s; {best}, request by request, {numbers[best]:,.0f}: {ratio:.1f}x"
    return Outcome([Bar(name, figure, f">= {WANTED}x", ratio >= WANTED)], numbers=numbers)
