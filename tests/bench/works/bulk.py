"""100,000 rows of 20 columns: ours as a binary tensor and as Arrow, the peers as JSON, which all of them take."""

from dataclasses import asdict

from dialects import OURS_ARROW, OURS_TENSOR
from figures import Bar, Outcome, markdown, milliseconds
from stage import OURS, Stage
from works.many_rows import rate

WANTED = 10
FORMS = {"binary tensor": OURS_TENSOR, "Arrow": OURS_ARROW}


def measure(stage: Stage) -> Outcome:
    n_rows = 10_000 if stage.quick else 100_000
    rows = stage.sample(n_rows)
    ours = {f"{OURS}, {form}": dialect for form, dialect in FORMS.items()}
    found = stage.interleaved(ours, rows, stage.rivals, rounds=2, seconds=0.5, warm=1)
    rates = {label: rate(each, n_rows) for label, each in found.items()}
    bars = [_bar(f"{n_rows:,} rows x 20, {form}", rates[f"{OURS}, {form}"], rates) for form in FORMS]
    cells = [[label, f"{rates[label]:,.0f}", milliseconds(each.cpu_ms)] for label, each in found.items()]
    table = f"{n_rows:,} rows x 20, the peers as JSON:\n\n{markdown(['server', 'rows/s', 'cpu per answer'], cells)}"
    return Outcome(bars, [table], {label: asdict(each) for label, each in found.items()})


def _bar(name: str, own: float, rates: dict[str, float]) -> Bar:
    rivals = [label for label in rates if not label.startswith(OURS)]
    if not rivals:
        return Bar(name, f"{own:,.0f} rows/s")
    best = max(rivals, key=lambda label: rates[label])
    ratio = own / rates[best]
    return Bar(name, f"{own:,.0f} rows/s; {best} {rates[best]:,.0f}: {ratio:.1f}x", f">= {WANTED}x", ratio >= WANTED)
