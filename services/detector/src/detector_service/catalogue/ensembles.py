"""Algorithms that average many weak looks at the data."""

from detector_service.catalogue.declared import SHARE, SWITCH, Declared, count

# All that take any number of columns, and a model of whose size depends on no parameter.
MEMBERS = (
    "ABOD",
    "CBLOF",
    "COPOD",
    "ECOD",
    "GMM",
    "HBOS",
    "HDBSCAN",
    "IForest",
    "INNE",
    "KDE",
    "KNN",
    "LODA",
    "LOF",
    "MCD",
    "OCSVM",
    "PCA",
    "QMCD",
    "Sampling",
)

# Those that look at all columns at once, so that the choice of columns matters, and bear rows that become the same.
BAGGED = ("GMM", "KNN", "LOF", "MCD")

ENTRIES = (
    Declared(
        name="IForest",
        title="Isolation Forest",
        description="Scores a row by how few random splits isolate it.",
        good_at="A first choice on mixed tables of any size: robust, and no scaling needed.",
        paper="Liu, Ting & Zhou, Isolation Forest, ICDM 2008",
        implementation="pyod.models.iforest.IForest",
        fit_cost="medium",
        score_cost="low",
        parameters={
            "n_estimators": {**count(2000), "description": "Number of trees."},
            "max_samples": {
                "anyOf": [{"type": "integer", "minimum": 2}, SHARE, {"const": "auto"}],
                "description": "Rows per tree: a count, a share of the rows, or auto for at most 256.",
            },
            "max_features": {**SHARE, "description": "Share of the features that each tree may split on."},
            "bootstrap": {**SWITCH, "description": "Draw each tree's rows with replacement."},
        },
        left_out=frozenset({"n_jobs", "behaviour", "random_state", "verbose"}),
    ),
    Declared(
        name="INNE",
        title="Isolation by nearest-neighbour ensembles (INNE)",
        description="Isolation by spheres around random rows instead of splits.",
        good_at="Rows that are odd only for their neighbourhood, where an isolation forest passes them.",
        paper="Bandaragoda et al., Isolation-based anomaly detection using nearest-neighbor ensembles, "
        "Computational Intelligence 2018",
        implementation="pyod.models.inne.INNE",
        fit_cost="medium",
        score_cost="medium",
        parameters={
            "n_estimators": {**count(2000), "description": "Number of samples."},
            "max_samples": {
                "anyOf": [count(1000, minimum=2), SHARE, {"const": "auto"}],
                "description": "Rows per sample: a count, a share of the rows, or auto for at most 8.",
            },
        },
        left_out=frozenset({"random_state"}),
    ),
    Declared(
        name="Combination",
        title="Combination of detectors (average, maximum, AOM, MOA)",
        description="Several detectors as one: their scores, brought to one scale, averaged or maximised.",
        good_at="No labels to choose a detector by: steadier than any of its members.",
        paper="Aggarwal & Sathe, Theoretical foundations and algorithms for outlier ensembles, "
        "SIGKDD Explorations 2015",
        implementation="detector_service.estimators.combination.Combination",
        fit_cost="medium",
        score_cost="low",
        parameters={
            "detectors": {
                "type": "array",
                "items": {"enum": list(MEMBERS)},
                "minItems": 2,
                "maxItems": 10,
                "description": "The algorithms to combine, each with its default parameters.",
            },
            "method": {
                "enum": ["average", "maximum", "aom", "moa"],
                "description": "Mean or maximum of all; or over buckets, the mean of maxima or the maximum of means.",
            },
            "n_buckets": {**count(10), "description": "Buckets of aom and moa, which the members join in turn."},
        },
        left_out=frozenset({"random_state"}),
    ),
    Declared(
        name="FeatureBagging",
        title="Feature bagging",
        description="Averages one detector over random subsets of the columns.",
        good_at="Many columns, of which some are noise.",
        paper="Lazarevic & Kumar, Feature bagging for outlier detection, KDD 2005",
        implementation="detector_service.estimators.bagging.FeatureBagging",
        fit_cost="medium",
        score_cost="high",
        parameters={
            "base_estimator": {"enum": list(BAGGED), "description": "The algorithm, with its default parameters."},
            "n_estimators": {**count(100), "description": "Number of subsets, with a detector on each."},
            "max_features": {
                "anyOf": [{"type": "integer", "minimum": 1}, SHARE],
                "description": "Most columns of a subset: a count, or a share of the columns; half of them is least.",
            },
            "bootstrap_features": {**SWITCH, "description": "Draw each subset's columns with replacement."},
            "combination": {"enum": ["average", "max"], "description": "Mean or maximum of the detectors' scores."},
        },
        left_out=frozenset({"random_state"}),
    ),
)
