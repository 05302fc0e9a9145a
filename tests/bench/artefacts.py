"""Models of the suite in this process: the signed artefact is fetched, verified and loaded as any user would."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from pynomaly_scoring import Artefact, Scorer, TrustedKeys, open_artefact
from stage import Stage


def fetched(stage: Stage, model: str) -> bytes:
    """The signed zip of a model's first version."""
    return Path(stage.client.models.artefact(model, "1", stage.folder / f"{model}.zip")).read_bytes()


def trusted(stage: Stage) -> TrustedKeys:
    return TrustedKeys.load(stage.suite.home.trusted_keys)


def opened(stage: Stage, model: str) -> Artefact:
    return open_artefact(fetched(stage, model), trusted=trusted(stage))


def scorer_of(stage: Stage, model: str) -> Scorer:
    return Scorer(opened(stage, model))


def median_ms(work: Callable[[], object], n_calls: int) -> float:
    """Median milliseconds of a call; one call before is not counted."""
    work()
    took = []
    for _ in range(n_calls):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def interleaved_ms(works: dict[str, Callable[[], object]], rounds: int, n_calls: int) -> dict[str, float]:
    """Medians over rounds of `n_calls` of each, A B A B."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(median_ms(work, n_calls))
    return {name: statistics.median(each) for name, each in found.items()}
