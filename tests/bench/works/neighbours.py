"""KNN and LOF: 1,000 rows against 10,000 training rows, in process as PyOD."""

from functools import partial

import numpy as np
from artefacts import interleaved_ms, scorer_of
from figures import Bar, Outcome, milliseconds
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from stage import Stage

N_ROWS, WANTED = 1_000, 3
TOLERANCE = 1e-5  # of the score, or of the training scores' interquartile range where that is larger


def measure(stage: Stage) -> Outcome:
    n_train = 1_000 if stage.quick else 10_000
    training, rows = stage.drawn(n_train), stage.drawn(N_ROWS, seed=1)
    bars, numbers = [], {}
    for name, kind in {"KNN": KNN, "LOF": LOF}.items():
        stage.trained(name, name, training)
        scorer, stock = scorer_of(stage, name), kind().fit(training)
        apart = _apart(scorer.score(rows).raw_score, stock.decision_function(rows), stock.decision_scores_)
        found = interleaved_ms(
            {"ours": partial(scorer.score, rows), "PyOD": partial(stock.decision_function, rows)}, 2, 3
        )
        ratio = found["PyOD"] / found["ours"]
        figure = f"{milliseconds(found['ours'])}; PyOD {milliseconds(found['PyOD'])}: {ratio:.1f}x"
        title = f"{name}, {N_ROWS:,} rows, {n_train:,} training rows, in process"
        bars += [
            Bar(title, figure, f">= {WANTED}x", ratio >= WANTED),
            Bar(f"{name}, scores apart from PyOD's", f"{apart:.1e}", f"<= {TOLERANCE:.0e}", apart <= TOLERANCE),
        ]
        numbers[name] = {**found, "apart": apart}
    return Outcome(bars, numbers=numbers)


def _apart(ours: np.ndarray, theirs: np.ndarray, training: np.ndarray) -> float:
    """The largest difference, in units of the score or of the training scores' interquartile range."""
    low, high = np.percentile(training, [25, 75])
    return float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), high - low)))
