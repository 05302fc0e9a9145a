"""Feature bagging: the nodes of each member on its own columns, and the mean or maximum of their scores."""

from typing import Any

import numpy as np

from detector_service.compile.distances import EPSILON, FloatMatrix
from detector_service.compile.families import SINGLE
from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector


def add_feature_bagging(graph: Graph, rows: str, estimator: Any, training: FloatMatrix) -> str:
    """Mean or maximum over the members, each of which sees the columns that it was fitted on."""
    family = SINGLE[estimator.base_estimator]
    scores = []
    for member, features in zip(estimator.members_, estimator.features_, strict=True):
        own = graph.add("Gather", rows, graph.constant(features, np.int64), axis=1)
        scores.append(family.add_score(graph, own, member, np.ascontiguousarray(training[:, features])))
    combine = "ReduceMean" if estimator.combination == "average" else "ReduceMax"
    return graph.add(combine, graph.add("Concat", *scores, axis=1), graph.constant([1], np.int64), keepdims=1)


def doubt(estimator: Any, rows: FloatMatrix) -> FloatVector:
    """The largest of the members' doubts and of the rounding of their scores, which a mean or a maximum cannot pass."""
    family = SINGLE[estimator.base_estimator]
    columns = zip(estimator.members_, estimator.features_, strict=True)
    doubts = np.column_stack([family.doubt(member, rows[:, features]) for member, features in columns])
    rounding = 16 * EPSILON * np.abs(np.column_stack(estimator.member_scores(rows)))
    largest: FloatVector = (doubts + rounding).max(axis=1)
    return largest


FEATURE_BAGGING = Family(add_feature_bagging, doubt, keeps_training_scores=True)
