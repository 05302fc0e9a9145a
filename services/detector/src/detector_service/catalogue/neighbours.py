"""Algorithms that compare a row with the training rows near it."""

from detector_service.catalogue.declared import FRACTION, NEIGHBOURS, SHARE, SWITCH, Declared, count

# Trees take differences before squaring: scikit-learn's brute force, its own choice beyond 15 features, loses the
# digits of a distance at an offset of 1e6. Of the trees this one is up to 6 times faster.
_TREE = {"algorithm": "kd_tree"}
_METRIC = frozenset({"algorithm", "leaf_size", "metric", "p", "metric_params", "n_jobs"})

ENTRIES = (
    Declared(
        name="KNN",
        title="Distance to the nearest neighbours (kNN)",
        description="Scores a row by its Euclidean distance to the nearest training rows.",
        good_at="Few columns on one scale, and anomalies far from everything.",
        paper="Ramaswamy et al., Efficient Algorithms for Mining Outliers from Large Data Sets, SIGMOD 2000",
        implementation="pyod.models.knn.KNN",
        fit_cost="low",
        score_cost="medium",
        parameters={
            "n_neighbors": {**NEIGHBOURS, "description": "Number of neighbours, k."},
            "method": {
                "enum": ["largest", "mean", "median"],
                "description": "Which of the k distances is the score: the largest, their mean or their median.",
            },
        },
        left_out=_METRIC | {"radius"},
        server_side=_TREE,
    ),
    Declared(
        name="LOF",
        title="Local outlier factor (LOF)",
        description="Compares the density around a row with that around its neighbours.",
        good_at="Groups of unequal density, and rows odd for their surroundings.",
        paper="Breunig et al., LOF: Identifying Density-Based Local Outliers, SIGMOD 2000",
        implementation="pyod.models.lof.LOF",
        fit_cost="low",
        score_cost="medium",
        parameters={
            "n_neighbors": {
                **NEIGHBOURS,
                "description": "Number of neighbours, k; at most one less than there are rows is used.",
            },
        },
        left_out=_METRIC | {"novelty"},
        server_side=_TREE,
    ),
    Declared(
        name="ABOD",
        title="Angle-based outlier detection (ABOD), fast",
        description="Scores a row by how little the angles to pairs of its neighbours vary.",
        good_at="Many columns, where distances lose their meaning.",
        paper="Kriegel et al., Angle-based outlier detection in high-dimensional data, KDD 2008",
        implementation="pyod.models.abod.ABOD",
        fit_cost="high",
        score_cost="medium",
        parameters={
            "n_neighbors": {
                **count(100, minimum=3),
                "description": "Number of neighbours, k; at most one less than there are rows is used.",
            },
        },
        left_out=_METRIC | {"method"},
        server_side=_TREE,
    ),
    Declared(
        name="CBLOF",
        title="Cluster-based local outlier factor (CBLOF)",
        description="Scores a row by its distance to the nearest large cluster.",
        good_at="Data that falls into a few groups.",
        paper="He, Xu & Deng, Discovering cluster-based local outliers, Pattern Recognition Letters 2003",
        implementation="pyod.models.cblof.CBLOF",
        fit_cost="low",
        score_cost="low",
        parameters={
            "n_clusters": {**count(1000, minimum=2), "description": "Number of clusters (k-means)."},
            "alpha": {
                **FRACTION,
                "minimum": 0.5,
                "description": "Share of the rows that the large clusters together must hold.",
            },
            "beta": {
                "type": "number",
                "exclusiveMinimum": 1,
                "description": "A cluster is small where the next larger one has beta times its rows.",
            },
            "use_weights": {**SWITCH, "description": "Multiply the distance by the size of the row's cluster."},
        },
        left_out=frozenset({"clustering_estimator", "check_estimator", "random_state", "n_jobs"}),
    ),
    Declared(
        name="HDBSCAN",
        title="Hierarchical density-based clustering (HDBSCAN)",
        description="Scores a row by how loosely its nearest training rows belong to their clusters.",
        good_at="Groups of any shape and unequal density, among noise.",
        paper="Campello, Moulavi & Sander, Density-based clustering based on hierarchical density estimates, "
        "PAKDD 2013",
        implementation="pyod.models.hdbscan.HDBSCAN",
        fit_cost="medium",
        score_cost="medium",
        parameters={
            "min_cluster_size": {
                **count(1000, minimum=2),
                "description": "Least rows of a cluster, and the number of neighbours that score a new row.",
            },
            "min_samples": {
                "anyOf": [count(1000), {"type": "null"}],
                "description": "Rows that make a place dense; null for min_cluster_size.",
            },
            "alpha": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 100,
                "description": "Divides the distances when clusters are told apart.",
            },
        },
        left_out=frozenset({"metric", "algorithm", "leaf_size", "n_jobs"}),
    ),
    Declared(
        name="Sampling",
        title="Distance to a sample (Sampling)",
        description="Distance to the nearest of a few random training rows.",
        good_at="A quick baseline on very many rows.",
        paper="Sugiyama & Borgwardt, Rapid distance-based outlier detection via sampling, NIPS 2013",
        implementation="pyod.models.sampling.Sampling",
        fit_cost="low",
        score_cost="low",
        parameters={
            "subset_size": {
                "anyOf": [{"type": "integer", "minimum": 1}, SHARE],
                "description": "Rows in the sample: a count, or a share of the training rows.",
            },
        },
        left_out=frozenset({"metric", "metric_params", "random_state"}),
    ),
)
