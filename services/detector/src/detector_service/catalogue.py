"""What the catalogue says of each algorithm beside PyOD's own signatures, and how the two become algorithms.json.

Importing PyOD costs some 150 MB, which a process that only validates should not pay: `algorithms.py` reads the
generated file. `python -m detector_service.algorithms --write` renews it.
"""

import inspect
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

_FRACTION = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_SWITCH = {"type": "boolean"}
_NEIGHBOURS = {"type": "integer", "minimum": 1, "maximum": 1000}

_DECLARED: list[dict[str, Any]] = [
    {
        "name": "ECOD",
        "title": "Empirical cumulative distributions (ECOD)",
        "description": "Adds up how far out in the tail of each feature a row lies. Nothing to tune; a first choice.",
        "paper": "Li et al., ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions, "
        "IEEE TKDE 2022",
        "implementation": "pyod.models.ecod.ECOD",
        "fit_cost": "low",
        "score_cost": "low",
        "parameters": {},
        "left_out": {"n_jobs"},
    },
    {
        "name": "HBOS",
        "title": "Histogram-based outlier score (HBOS)",
        "description": "Scores a row by how sparse its bin is in each feature's histogram; fast on very large data.",
        "paper": "Goldstein & Dengel, Histogram-based Outlier Score (HBOS), KI 2012",
        "implementation": "pyod.models.hbos.HBOS",
        "fit_cost": "low",
        "score_cost": "low",
        "parameters": {
            "n_bins": {
                "anyOf": [{"type": "integer", "minimum": 2, "maximum": 10000}, {"const": "auto"}],
                "description": "Bins per feature, or auto for the Birge-Rozenholc choice per feature.",
            },
            "alpha": {**_FRACTION, "description": "Added to each density, so that an empty bin has a finite score."},
            "tol": {**_FRACTION, "description": "How far outside the histogram, in bins, a value still counts as in."},
        },
        "left_out": set(),
    },
    {
        "name": "IForest",
        "title": "Isolation Forest",
        "description": "Scores a row by how few random splits isolate it; robust on mixed tabular data.",
        "paper": "Liu, Ting & Zhou, Isolation Forest, ICDM 2008",
        "implementation": "pyod.models.iforest.IForest",
        "fit_cost": "low",
        "score_cost": "medium",
        "parameters": {
            "n_estimators": {"type": "integer", "minimum": 1, "maximum": 2000, "description": "Number of trees."},
            "max_samples": {
                "anyOf": [{"type": "integer", "minimum": 2}, _SHARE, {"const": "auto"}],
                "description": "Rows per tree: a count, a share of the rows, or auto for at most 256.",
            },
            "max_features": {**_SHARE, "description": "Share of the features that each tree may split on."},
            "bootstrap": {**_SWITCH, "description": "Draw each tree's rows with replacement."},
        },
        "left_out": {"n_jobs", "behaviour", "random_state", "verbose"},
    },
    {
        "name": "KNN",
        "title": "Distance to the nearest neighbours (kNN)",
        "description": "Scores a row by its Euclidean distance to the nearest training rows; scale the features first.",
        "paper": "Ramaswamy et al., Efficient Algorithms for Mining Outliers from Large Data Sets, SIGMOD 2000",
        "implementation": "pyod.models.knn.KNN",
        "fit_cost": "high",
        "score_cost": "high",
        "parameters": {
            "n_neighbors": {**_NEIGHBOURS, "description": "Number of neighbours, k."},
            "method": {
                "enum": ["largest", "mean", "median"],
                "description": "Which of the k distances is the score: the largest, their mean or their median.",
            },
        },
        "left_out": {"radius", "algorithm", "leaf_size", "metric", "p", "metric_params", "n_jobs"},
    },
    {
        "name": "LOF",
        "title": "Local outlier factor (LOF)",
        "description": "Compares a row's density with its neighbours'; finds rows odd for their surroundings.",
        "paper": "Breunig et al., LOF: Identifying Density-Based Local Outliers, SIGMOD 2000",
        "implementation": "pyod.models.lof.LOF",
        "fit_cost": "high",
        "score_cost": "high",
        "parameters": {
            "n_neighbors": {
                **_NEIGHBOURS,
                "description": "Number of neighbours, k; at most one less than there are rows is used.",
            },
        },
        "left_out": {"algorithm", "leaf_size", "metric", "p", "metric_params", "n_jobs", "novelty"},
    },
    {
        "name": "PCA",
        "title": "Principal component analysis (PCA)",
        "description": "Scores a row by its weighted distance to the principal axes; for correlated features.",
        "paper": "Shyu et al., A Novel Anomaly Detection Scheme Based on Principal Component Classifier, ICDM 2003",
        "implementation": "pyod.models.pca.PCA",
        "fit_cost": "low",
        "score_cost": "medium",
        "parameters": {
            "n_components": {
                "anyOf": [{"type": "integer", "minimum": 1}, _FRACTION, {"type": "null"}],
                "description": "Components to compute: a count, the share of variance to explain, or null for all.",
            },
            "n_selected_components": {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
                "description": "How many of them, from the least variance up, make the score; null for all.",
            },
            "weighted": {**_SWITCH, "description": "Divide each distance by its component's share of the variance."},
            "standardization": {**_SWITCH, "description": "Bring each feature to mean 0 and variance 1 first."},
        },
        "left_out": {"copy", "whiten", "svd_solver", "tol", "iterated_power", "random_state"},
    },
]


def build() -> list[dict[str, Any]]:
    """The catalogue's entries, with the defaults of the PyOD that is installed.

    Raises ValueError where PyOD has a parameter that is neither declared nor left out, or lacks a declared one.
    """
    return [_entry(declared) for declared in _DECLARED]


def render() -> str:
    """The text of algorithms.json."""
    content = {"generated_by": "python -m detector_service.algorithms --write", "algorithms": build()}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def implementation(path: str) -> Any:
    """The class at a dotted path, imported now."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _entry(declared: dict[str, Any]) -> dict[str, Any]:
    defaults = _defaults(declared["implementation"])
    parameters = declared["parameters"]
    if set(defaults) != {"contamination", *parameters, *declared["left_out"]}:
        raise ValueError(f"{declared['name']}: PyOD's parameters are {sorted(defaults)}, which is not what is declared")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {name: {**declaration, "default": defaults[name]} for name, declaration in parameters.items()},
        "additionalProperties": False,
    }
    kept = {key: value for key, value in declared.items() if key not in ("parameters", "left_out")}
    return {**kept, "parameters_schema": schema}


def _defaults(path: str) -> Mapping[str, Any]:
    signature = inspect.signature(implementation(path))
    return {name: parameter.default for name, parameter in signature.parameters.items()}
