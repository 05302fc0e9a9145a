"""Algorithms that look at each feature, or each projection, by itself."""

from detector_service.catalogue.declared import FRACTION, Declared, count

ENTRIES = (
    Declared(
        name="ECOD",
        title="Empirical cumulative distributions (ECOD)",
        description="Adds up how far out in the tail of each feature a row lies.",
        good_at="A first choice: nothing to tune, and each column's part can be read.",
        paper="Li et al., ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions, "
        "IEEE TKDE 2022",
        implementation="pyod.models.ecod.ECOD",
        fit_cost="low",
        score_cost="low",
        left_out=frozenset({"n_jobs"}),
    ),
    Declared(
        name="COPOD",
        title="Copula-based tails (COPOD)",
        description="Adds up how far out a row lies in the tail that each feature's skewness points to.",
        good_at="As ECOD, on columns that are skewed to one side.",
        paper="Li et al., COPOD: Copula-Based Outlier Detection, ICDM 2020",
        implementation="pyod.models.copod.COPOD",
        fit_cost="low",
        score_cost="low",
        left_out=frozenset({"n_jobs"}),
    ),
    Declared(
        name="HBOS",
        title="Histogram-based outlier score (HBOS)",
        description="Scores a row by how sparse its bin is in each feature's histogram.",
        good_at="Very large data, and columns of little dependence.",
        paper="Goldstein & Dengel, Histogram-based Outlier Score (HBOS), KI 2012",
        implementation="pyod.models.hbos.HBOS",
        fit_cost="low",
        score_cost="low",
        parameters={
            "n_bins": {
                "anyOf": [count(10_000, minimum=2), {"const": "auto"}],
                "description": "Bins per feature, or auto for the Birge-Rozenholc choice per feature.",
            },
            "alpha": {**FRACTION, "description": "Added to each density, so that an empty bin has a finite score."},
            "tol": {**FRACTION, "description": "How far outside the histogram, in bins, a value still counts as in."},
        },
    ),
    Declared(
        name="LODA",
        title="Lightweight on-line detector of anomalies (LODA)",
        description="Averages the histograms of random projections.",
        good_at="Very many rows or columns, and little time.",
        paper="Pevny, Loda: Lightweight on-line detector of anomalies, Machine Learning 2016",
        implementation="pyod.models.loda.LODA",
        fit_cost="low",
        score_cost="low",
        parameters={
            "n_bins": {
                "anyOf": [count(10_000, minimum=2), {"const": "auto"}],
                "description": "Bins per projection, or auto for the Birge-Rozenholc choice per projection.",
            },
            "n_random_cuts": {**count(2000), "description": "Number of random projections."},
        },
        left_out=frozenset({"random_state"}),
    ),
    Declared(
        name="MAD",
        title="Median absolute deviation (MAD)",
        description="Deviation of a single feature from its median, in robust standard deviations.",
        good_at="One column, with a limit that people know by heart.",
        paper="Iglewicz & Hoaglin, How to Detect and Handle Outliers, ASQC 1993",
        implementation="pyod.models.mad.MAD",
        fit_cost="low",
        score_cost="low",
        parameters={
            "threshold": {
                "type": "number",
                "exclusiveMinimum": 0,
                "description": "A row that deviates by more is an anomaly, whatever the contamination.",
            },
        },
    ),
    Declared(
        name="QMCD",
        title="Quasi-Monte Carlo discrepancy (QMCD)",
        description="Scores a row by its share in how unevenly the rows fill the space.",
        good_at="Few columns with values spread over their range.",
        paper="Fang & Ma, Wrap-around L2-discrepancy of random sampling, Latin hypercube and uniform designs, "
        "Journal of Complexity 2001",
        implementation="pyod.models.qmcd.QMCD",
        fit_cost="high",
        score_cost="high",
    ),
)
