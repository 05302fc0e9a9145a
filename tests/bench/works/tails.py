"""ECOD and COPOD: one row against 100,000 training rows, which stock PyOD goes through again for every answer."""

import numpy as np
from artefacts import interleaved_ms, scorer_of
from dialects import ours_one
from figures import Bar, Outcome, milliseconds
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from stage import Stage

WANTED = 1_000


def measure(stage: Stage) -> Outcome:
    n_train = 5_000 if stage.quick else 100_000
    bars, numbers = [], {}
    for name, kind in {"ECOD": ECOD, "COPOD": COPOD}.items():
        training = stage.drawn(n_train)
        stage.trained(name, name, training)
        found = _compared(stage, name, kind().fit(training))
        ratio = found["PyOD"] / found["http"]
        figure = (
            f"{milliseconds(found['http'])} over HTTP, {milliseconds(found['ours'])} in process; "
            f"PyOD {milliseconds(found['PyOD'])}: {ratio:,.0f}x"
        )
        bars.append(Bar(f"{name}, 1 row, {n_train:,} training rows", figure, f">= {WANTED:,}x", ratio >= WANTED))
        numbers[name] = found
    return Outcome(bars, numbers=numbers)


def _compared(stage: Stage, name: str, stock: ECOD | COPOD) -> dict[str, float]:
    row, scorer = stage.drawn(1, seed=1), scorer_of(stage, name)
    ours, theirs = float(scorer.score(row).raw_score[0]), float(stock.decision_function(row)[0])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, err_msg=f"{name} scores otherwise than PyOD")
    found = interleaved_ms({"ours": lambda: scorer.score(row)}, 3, 200)
    found |= interleaved_ms({"PyOD": lambda: stock.decision_function(row)}, 1, 2 if stage.quick else 5)
    turn = stage.turn(stage.model_url, ours_one(name), row, warm=50)
    return {**found, "http": stage.generator.interleaved({name: turn}, 3)[name].p50_ms}
