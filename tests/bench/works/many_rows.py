"""1,000 rows of 20 columns as JSON: arrays, and objects that name each value."""

from dataclasses import asdict

from dialects import OURS_MANY, OURS_NAMED
from figures import Bar, Outcome, markdown, milliseconds
from generator import Figures
from stage import OURS, Rival, Stage

N_ROWS = 1_000


def measure(stage: Stage) -> Outcome:
    rows = stage.sample(N_ROWS)
    arrays = stage.compared(OURS_MANY, rows, stage.rivals, warm=2, at_least=5)
    named_rivals = {label: rival for label, rival in stage.rivals.items() if rival.peer.name == "MLflow"}
    named = stage.compared(OURS_NAMED, rows, named_rivals, warm=2, at_least=5)
    bars = [
        _bar(f"{N_ROWS:,} rows x 20 JSON", arrays, stage.rivals),
        _bar(f"{N_ROWS:,} named rows JSON, against dataframe_split", named, named_rivals),
    ]
    found = {**arrays, f"{OURS}, named rows": named[OURS]}
    cells = [[label, f"{rate(each):,.0f}", milliseconds(each.cpu_ms)] for label, each in found.items()]
    numbers = {label: asdict(each) for label, each in found.items()}
    return Outcome(
        bars, [f"{N_ROWS:,} rows x 20 as JSON:\n\n{markdown(['server', 'rows/s', 'cpu per answer'], cells)}"], numbers
    )


def rate(figures: Figures, n_rows: int = N_ROWS) -> float:
    """Rows per second."""
    return n_rows * 1000 / figures.p50_ms


def _bar(name: str, found: dict[str, Figures], rivals: dict[str, Rival]) -> Bar:
    own = rate(found[OURS])
    if not rivals:
        return Bar(name, f"{own:,.0f} rows/s")
    best = max(rivals, key=lambda label: rate(found[label]))
    ratio = own / rate(found[best])
    return Bar(name, f"{own:,.0f} rows/s; {best} {rate(found[best]):,.0f}: {ratio:.1f}x", ">= 5x", ratio >= 5)
