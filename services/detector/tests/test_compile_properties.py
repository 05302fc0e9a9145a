"""Every compiled algorithm against PyOD on data made to be awkward.

Few examples by default; `HYPOTHESIS_EXAMPLES=1000 pytest ...` tries a thousand tables per algorithm.
"""

import os
import warnings
from typing import Any

import numpy as np
import pytest
from detector_service.algorithms import create_estimator, get_algorithm
from detector_service.compile import FAMILIES, compile_detector, run_graph
from detector_service.training.fit import tolerance
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "12"))
SMALL: dict[str, dict[str, Any]] = {
    "ABOD": {"n_neighbors": 3},
    "AE1SVM": {"epochs": 1, "hidden_neurons": [4, 2], "batch_norm": False, "kernel_approx_features": 8},
    "AutoEncoder": {"epoch_num": 1, "hidden_neuron_list": [4, 2], "batch_size": 3},
    "CBLOF": {"n_clusters": 2},
    "Combination": {"detectors": ["HBOS", "ECOD", "GMM"]},
    "DIF": {"n_ensemble": 2, "hidden_neurons": [8]},
    "DeepSVDD": {"epochs": 1, "hidden_neurons": [4, 3]},
    "FeatureBagging": {"n_estimators": 3},
    "GMM": {"n_components": 2},
    "HBOS": {"n_bins": 4},
    "HDBSCAN": {"min_cluster_size": 2},
    "IForest": {"n_estimators": 8},
    "INNE": {"n_estimators": 3, "max_samples": 2},
    "KNN": {"n_neighbors": 2},
    "KPCA": {"n_components": 2},
    "LODA": {"n_random_cuts": 4},
    "LOF": {"n_neighbors": 3},
    "LUNAR": {"n_epochs": 2, "n_neighbours": 2},
    "Sampling": {"subset_size": 3},
    "VAE": {"epoch_num": 1, "encoder_neuron_list": [4], "decoder_neuron_list": [4], "batch_size": 3},
}
# More neighbours, clusters or samples than many of the tables have rows for.
CROWDED: dict[str, dict[str, Any]] = {
    "ABOD": {"n_neighbors": 10},
    "AE1SVM": {"epochs": 1, "hidden_neurons": [4], "batch_size": 8},
    "AutoEncoder": {"epoch_num": 1, "batch_size": 8},
    "CBLOF": {"n_clusters": 8},
    "DIF": {"n_ensemble": 2, "hidden_neurons": [8, 4], "skip_connection": True, "max_samples": 8},
    "DeepSVDD": {"epochs": 1, "hidden_neurons": [4, 1], "use_ae": True},
    "FeatureBagging": {"n_estimators": 3, "combination": "max"},
    "GMM": {"n_components": 6},
    "HDBSCAN": {"min_cluster_size": 8},
    "INNE": {"n_estimators": 3, "max_samples": 20},
    "KNN": {"n_neighbors": 20, "method": "mean"},
    "KPCA": {"n_components": 20},
    "LOF": {"n_neighbors": 20},
    "LUNAR": {"n_epochs": 2, "n_neighbours": 20, "model_type": "SCORE"},
    "Sampling": {"subset_size": 20},
    "VAE": {"epoch_num": 1, "batch_size": 8},
}
UNIVARIATE = frozenset({"MAD"})


@st.composite
def awkward_tables(draw: st.DrawFn) -> NDArray[np.float64]:
    """Ties, duplicates, constant columns, huge, tiny and unequal scales, offsets of 1e6, few rows; (3..40, 1..4)."""
    n_rows, n_features = draw(st.integers(3, 40)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    table = rng.normal(size=(n_rows, n_features))
    if draw(st.booleans()):
        table = np.round(table)
    if draw(st.booleans()):
        table[n_rows // 2 :] = table[: n_rows - n_rows // 2]
    if draw(st.booleans()):
        table[:, 0] = draw(st.sampled_from([0.0, 1.0, -7.5]))
    if draw(st.booleans()):
        table[:, -1] *= draw(st.sampled_from([1e-4, 1e5]))
    scale = draw(st.sampled_from([1.0, 1e-40, 1e-9, 1e3, 1e30]))
    offset = draw(st.sampled_from([0.0, 1e6, -1e6])) if 1 <= scale <= 1e3 else 0.0
    return table * scale + offset


def rows_around(training: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = np.ptp(training, axis=0)
    halves = (training[:-1] + training[1:]) / 2
    return np.concatenate(
        (training, halves, training[:3] + spread, training[:3] - 40 * spread, np.zeros_like(training[:1]))
    )


@pytest.mark.parametrize("algorithm", sorted(FAMILIES))
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=True, deadline=None)
@given(training=awkward_tables(), parameters=st.sampled_from((SMALL, CROWDED)))
def test_the_graph_scores_awkward_data_as_pyod_does(
    algorithm: str, training: NDArray[np.float64], parameters: dict[str, dict[str, Any]]
) -> None:
    family = FAMILIES[algorithm]
    estimator = create_estimator(get_algorithm(algorithm), parameters.get(algorithm, {}), 0.2, seed=0)
    training = training[:, :1].copy() if algorithm in UNIVARIATE else training
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if not fits(estimator, training):
            return
        detector = compile_detector(estimator, algorithm, training)
        rows = rows_around(training)
        reference, doubt = family.reference_scores(estimator, rows), family.doubt(estimator, rows)
    ours = run_graph(detector.model, rows)
    allowed = tolerance(reference, detector.training_scores) + doubt
    assert (np.abs(ours["raw_score"] - reference) <= allowed).all()
    clear = np.abs(reference - detector.threshold) > allowed
    np.testing.assert_array_equal(ours["is_anomaly"][clear], (reference > detector.threshold)[clear])
    assert ((ours["prediction"] > 0) & (ours["prediction"] < 1)).all()
    assert ((ours["confidence"] >= 0) & (ours["confidence"] <= 1)).all()
    rounding = np.where(np.isfinite(doubt), doubt, 0.0)  # ties, which have no bound, are broken alike in any batch
    apart = tolerance(ours["raw_score"], detector.training_scores) / 10 + rounding
    reverse = run_graph(detector.model, np.ascontiguousarray(rows[::-1]), threads=2)["raw_score"][::-1]
    assert (np.abs(reverse - ours["raw_score"]) <= apart).all()
    alone = np.array([run_graph(detector.model, row[np.newaxis])["raw_score"][0] for row in rows[::9]])
    assert (np.abs(alone - ours["raw_score"][::9]) <= apart[::9]).all()


def fits(estimator: Any, training: NDArray[np.float64]) -> bool:
    """Whether stock PyOD itself has an answer for this table; where not, training is refused."""
    try:
        estimator.fit(training)
    except (ValueError, AssertionError, ArithmeticError):
        return False
    return bool(np.isfinite(estimator.decision_scores_).all())
