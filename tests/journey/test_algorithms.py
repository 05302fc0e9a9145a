"""Every algorithm, from a file to a score over HTTP, against PyOD in process."""

from pathlib import Path

import numpy as np
import pytest
from pynomaly import Client
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.pca import PCA

DATA = Path(__file__).parents[2] / "examples" / "data" / "vowels.csv"
# ECOD is frozen by design: PyOD scores it against the rows beside it, and its parity is tested row by row elsewhere.
ALIKE = {"IForest": IForest(random_state=0), "HBOS": HBOS(), "KNN": KNN(), "LOF": LOF(), "PCA": PCA(random_state=0)}
TOLERANCE = 1e-5


@pytest.mark.parametrize("algorithm", ["IForest", "ECOD", "HBOS", "KNN", "LOF", "PCA"])
def test_a_model_scores_a_row_over_http_alone_as_in_a_batch_and_as_pyod_does(client: Client, algorithm: str) -> None:
    name = f"vowels-{algorithm}"
    dataset = client.datasets.upload(DATA, name, target_column="is_anomaly")
    detector = client.detectors.create(name, algorithm=algorithm)
    client.detectors.train(detector.id, dataset.id).wait(progress=False)
    rows = client.datasets.rows(dataset.id, dataset.feature_columns).to_numpy()

    batch = client.predict_batch(rows[:200], name).predictions
    alone = [client.predict(row.tolist(), name) for row in rows[:20]]
    scores = np.array([each.raw_score for each in batch])
    scale = np.subtract(*np.percentile(scores, [75, 25]))
    assert np.abs(scores[:20] - [each.raw_score for each in alone]).max() <= TOLERANCE / 10 * scale
    if algorithm in ALIKE:
        expected = ALIKE[algorithm].fit(rows).decision_function(rows[:200])
        assert np.abs(scores - expected).max() <= TOLERANCE * np.maximum(np.abs(expected), scale).max()
