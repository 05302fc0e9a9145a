"""Feature bagging against PyOD's own class, which is given the two functions that its missing package would add."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_service.estimators.bagging import FeatureBagging
from numpy.typing import NDArray

COMBO = """
import numpy as np
def average(scores, estimator_weights=None): return np.mean(scores, axis=1)
def maximization(scores): return np.max(scores, axis=1)
aom = majority_vote = median = moa = None
"""
STOCK = """
import json, sys
import numpy as np
from pyod.models.feature_bagging import FeatureBagging
from pyod.models.knn import KNN
from pyod.models.mcd import MCD
request = json.load(sys.stdin)
rows = np.array(request["rows"])
base = {"LOF": None, "KNN": KNN(), "MCD": MCD()}[request["arguments"].pop("base_estimator")]
detector = FeatureBagging(base, **request["arguments"]).fit(rows)
answer = {
    "features": [list(map(int, chosen)) for chosen in detector.estimators_features_],
    "decision_scores": detector.decision_scores_.tolist(),
    "scores": detector.decision_function(rows[:9] + 0.5).tolist(),
    "threshold": detector.threshold_,
}
print(json.dumps(answer))
"""


@pytest.fixture
def rows() -> NDArray[np.float64]:
    return np.random.default_rng(4).normal(size=(60, 7))


@pytest.mark.parametrize(
    "arguments",
    [
        {"base_estimator": "LOF", "random_state": 3},
        {"base_estimator": "KNN", "random_state": 8, "combination": "max", "n_estimators": 4},
        {"base_estimator": "MCD", "random_state": 5, "max_features": 0.7, "bootstrap_features": True},
        {"base_estimator": "LOF", "random_state": 1, "max_features": 5},
    ],
    ids=["defaults", "maximum", "seeded-members", "counted-columns"],
)
def test_columns_seeds_and_scores_are_those_of_stock_pyod(
    arguments: dict[str, Any], rows: NDArray[np.float64], tmp_path: Path
) -> None:
    stock = stock_answer(arguments, rows, tmp_path)
    ours = FeatureBagging(**arguments).fit(rows)
    assert [chosen.tolist() for chosen in ours.features_] == stock["features"]
    np.testing.assert_allclose(ours.decision_scores_, stock["decision_scores"], rtol=1e-9)
    np.testing.assert_allclose(ours.decision_function(rows[:9] + 0.5), stock["scores"], rtol=1e-9)
    assert ours.threshold_ == pytest.approx(stock["threshold"], rel=1e-9)


def stock_answer(arguments: dict[str, Any], rows: NDArray[np.float64], folder: Path) -> dict[str, Any]:
    package = folder / "combo" / "models"
    package.mkdir(parents=True)
    (package / "score_comb.py").write_text(COMBO)
    finished = subprocess.run(
        [sys.executable, "-c", STOCK],
        input=json.dumps({"arguments": arguments, "rows": rows.tolist()}),
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


@pytest.mark.parametrize(
    ("n_columns", "max_features", "message"),
    [
        (1, 1.0, "there is only one"),
        (6, 0.4, "max_features 0.4 must make 3 to 6 of 6 columns"),
        (6, 7, "max_features 7 must make 3 to 6 of 6 columns"),
    ],
    ids=["one-column", "less-than-half", "more-than-there-are"],
)
def test_columns_that_cannot_be_drawn_are_refused(n_columns: int, max_features: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureBagging(max_features=max_features).fit(np.ones((9, n_columns)))


def test_members_that_would_keep_too_many_rows_are_refused_before_any_is_fitted() -> None:
    with pytest.raises(ValueError, match=r"its 100 members would keep .* lower n_estimators or max_features"):
        FeatureBagging(n_estimators=100, random_state=0).fit(np.zeros((200_000, 4)))
