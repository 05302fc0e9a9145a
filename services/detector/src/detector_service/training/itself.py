"""A batch scored against itself, by stock PyOD: what it says of the very rows that it was fitted on."""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pynomaly_scoring import Rows

from detector_service.algorithms import create_estimator, get_algorithm
from detector_service.domain import Refusal, Unfit
from detector_service.training.batch_limits import check_features, check_rows
from detector_service.training.fit import fit_estimator
from detector_service.training.request import FitRequest

FloatVector = NDArray[np.float64]


class ItselfScores(NamedTuple):
    """Of each row, (n_rows,): PyOD's decision_scores_, their positions in (0, 1), and PyOD's labels_."""

    raw_score: FloatVector
    prediction: FloatVector
    is_anomaly: NDArray[np.bool_]


def score_itself(request: FitRequest, rows: Rows) -> ItselfScores:
    """Score rows against each other, after the preprocessing that the request asks for.

    Raises Unfit, UnknownAlgorithm, InvalidParameter.
    """
    from detector_service.compile import Pipeline  # noqa: PLC0415 - onnx, in which the features are computed

    algorithm = get_algorithm(request.algorithm)
    check_rows(algorithm, rows.n_rows)
    pipeline = Pipeline.fit(request.sources, rows)
    features = pipeline.features(rows)
    check_features(algorithm, features.shape[1])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what numpy and scikit-learn warn of is checked on the scores
        try:
            estimator = create_estimator(algorithm, request.parameters, request.contamination, request.seed)
        except ValueError as error:  # parameters that do not go together are PyOD's own to refuse
            raise Unfit(Refusal("parameters", dict(request.parameters), f"{algorithm.name}: {error}")) from error
        fit_estimator(estimator, algorithm, features, pipeline)
    scores = np.asarray(estimator.decision_scores_, np.float64)
    return ItselfScores(scores, positions(scores), np.asarray(estimator.labels_) == 1)


def positions(scores: FloatVector) -> FloatVector:
    """The share of scores below each, with half of those equal to it; in (0, 1)."""
    _, number, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middles = (np.cumsum(counts) - counts / 2) / len(scores)
    found: FloatVector = middles[number]
    return found
