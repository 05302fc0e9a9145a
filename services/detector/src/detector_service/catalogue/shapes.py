"""Algorithms that fit a shape to all the data at once: axes, ellipses, densities, a border."""

from detector_service.catalogue.declared import FRACTION, POSITIVE, SHARE, SWITCH, Declared, Schema, count

# scikit-learn sums densities over a tree by taking bounds of its nodes off again. Far from the training rows nothing
# of the digits is left (scores of 74 for 5,790 have been seen); with all rows in one leaf there is nothing to take off.
_ONE_LEAF = {"leaf_size": 1_000_000_000}

KERNEL: Schema = {
    "enum": ["rbf", "linear", "poly", "sigmoid"],
    "description": "How alike two rows are: rbf exp(-gamma |x - r|^2), or of their product.",
}

ENTRIES = (
    Declared(
        name="PCA",
        title="Principal component analysis (PCA)",
        description="Scores a row by its weighted distance to the principal axes.",
        good_at="Correlated columns, of which a row breaks the correlation.",
        paper="Shyu et al., A Novel Anomaly Detection Scheme Based on Principal Component Classifier, ICDM 2003",
        implementation="pyod.models.pca.PCA",
        fit_cost="low",
        score_cost="low",
        parameters={
            "n_components": {
                "anyOf": [{"type": "integer", "minimum": 1}, FRACTION, {"type": "null"}],
                "description": "Components to compute: a count, the share of variance to explain, or null for all.",
            },
            "n_selected_components": {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
                "description": "How many of them, from the least variance up, make the score; null for all.",
            },
            "weighted": {**SWITCH, "description": "Divide each distance by its component's share of the variance."},
            "standardization": {**SWITCH, "description": "Bring each feature to mean 0 and variance 1 first."},
        },
        left_out=frozenset({"copy", "whiten", "svd_solver", "tol", "iterated_power", "random_state"}),
    ),
    Declared(
        name="GMM",
        title="Gaussian mixture (GMM)",
        description="Scores a row by how unlikely it is under a mixture of Gaussians.",
        good_at="Groups of elliptic shape.",
        paper="Aggarwal, Outlier Analysis, chapter 2, Springer 2017",
        implementation="pyod.models.gmm.GMM",
        fit_cost="low",
        score_cost="low",
        parameters={
            "n_components": {**count(100), "description": "Number of Gaussians."},
            "covariance_type": {
                "enum": ["full", "tied", "diag", "spherical"],
                "description": "Shape of each: any, any but the same for all, along the axes, or round.",
            },
            "tol": {**POSITIVE, "description": "Stop when the mean log-likelihood grows by less."},
            "reg_covar": {
                "type": "number",
                "minimum": 0,
                "description": "Added to each variance, so that none is zero; in squared units of the features.",
            },
            "max_iter": {**count(10_000), "description": "Most steps of expectation and maximisation."},
            "n_init": {**count(100), "description": "Number of starts, of which the best is kept."},
            "init_params": {
                "enum": ["kmeans", "k-means++", "random", "random_from_data"],
                "description": "How a start is chosen.",
            },
        },
        left_out=frozenset({"weights_init", "means_init", "precisions_init", "random_state", "warm_start"}),
    ),
    Declared(
        name="KDE",
        title="Kernel density estimation (KDE)",
        description="Scores a row by the density of training rows around it.",
        good_at="Few columns on one scale, with groups of any shape.",
        paper="Latecki, Lazarevic & Pokrajac, Outlier detection with kernel density functions, MLDM 2007",
        implementation="pyod.models.kde.KDE",
        fit_cost="high",
        score_cost="medium",
        parameters={
            "bandwidth": {**POSITIVE, "description": "Width of the Gaussian around each row, in the features' units."},
        },
        left_out=frozenset({"algorithm", "leaf_size", "metric", "metric_params"}),
        server_side=_ONE_LEAF,
    ),
    Declared(
        name="KPCA",
        title="Kernel principal component analysis (KPCA)",
        description="Scores a row by what the components of a kernel's feature space leave of it.",
        good_at="Curved shapes, on some thousand rows.",
        paper="Hoffmann, Kernel PCA for novelty detection, Pattern Recognition 2007",
        implementation="pyod.models.kpca.KPCA",
        fit_cost="high",
        score_cost="high",
        parameters={
            "n_components": {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
                "description": "Components to compute; null for all, which leave nothing of a training row.",
            },
            "n_selected_components": {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
                "description": "How many of them, from the most variance down, are taken off; null for all.",
            },
            "kernel": KERNEL,
            "gamma": {
                "anyOf": [POSITIVE, {"type": "null"}],
                "description": "Coefficient of rbf, poly and sigmoid; null for 1 / number of features.",
            },
            "degree": {**count(10), "description": "Degree of poly."},
            "coef0": {"type": "number", "description": "Added within poly and sigmoid."},
            "sampling": {**SWITCH, "description": "Fit on a random sample of the rows only."},
            "subset_size": {
                "anyOf": [{"type": "integer", "minimum": 2}, SHARE],
                "description": "Rows of that sample: a count, or a share of the rows.",
            },
        },
        left_out=frozenset({"kernel_params", "alpha", "eigen_solver", "tol", "max_iter", "remove_zero_eig", "copy_X"})
        | {"n_jobs", "random_state"},
    ),
    Declared(
        name="MCD",
        title="Minimum covariance determinant (MCD)",
        description="Distance from a robust centre in units of a robust covariance.",
        good_at="One elliptic group, with anomalies among the training rows.",
        paper="Hardin & Rocke, Outlier detection in the multiple cluster setting using the minimum covariance "
        "determinant estimator, Computational Statistics & Data Analysis 2004",
        implementation="pyod.models.mcd.MCD",
        fit_cost="high",
        score_cost="low",
        parameters={
            "assume_centered": {**SWITCH, "description": "Take zero for the centre of the data."},
            "support_fraction": {
                "anyOf": [SHARE, {"type": "null"}],
                "description": "Share of the rows that the fit rests on; null for the least that is robust.",
            },
        },
        left_out=frozenset({"store_precision", "random_state"}),
    ),
    Declared(
        name="OCSVM",
        title="One-class support vector machine (OCSVM)",
        description="How far outside a border around most of the training rows a row lies.",
        good_at="Training rows that are mostly normal, on one scale.",
        paper="Schoelkopf et al., Estimating the support of a high-dimensional distribution, Neural Computation 2001",
        implementation="pyod.models.ocsvm.OCSVM",
        fit_cost="high",
        score_cost="medium",
        parameters={
            "kernel": KERNEL,
            "degree": {**count(10), "description": "Degree of poly."},
            "gamma": {
                "anyOf": [POSITIVE, {"enum": ["auto", "scale"]}],
                "description": "Coefficient of rbf, poly and sigmoid; auto: 1 / features, scale: that / variance.",
            },
            "coef0": {"type": "number", "description": "Added within poly and sigmoid."},
            "tol": {**POSITIVE, "description": "Precision at which the fit stops."},
            "nu": {**SHARE, "description": "Most training rows outside, least support vectors, as shares of the rows."},
            "shrinking": {**SWITCH, "description": "Set rows aside during the fit whose weight is settled."},
        },
        left_out=frozenset({"cache_size", "verbose", "max_iter"}),
    ),
    Declared(
        name="CD",
        title="Cook's distance (CD)",
        description="Scores a row by how much it would bend the regression of each column on the others.",
        good_at="Columns that explain each other linearly.",
        paper="Cook, Detection of influential observation in linear regression, Technometrics 1977",
        implementation="detector_service.estimators.cooks_distance.CD",
        fit_cost="low",
        score_cost="high",
    ),
)
