"""The forest that every peer serves; runs in each peer's own environment.

python forest.py FOLDER    fits it on rows.npy and saves it as forest.joblib, as the peers' documentation does
"""

import sys
from pathlib import Path

import joblib
import numpy as np
from pyod.models.iforest import IForest


class Forest(IForest):  # type: ignore[misc] # pyod is untyped
    """PyOD's Isolation Forest; predict, which the servers call, answers the scores in place of labels."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        scores: np.ndarray = self.decision_function(np.asarray(X))
        return scores


def main(folder: str) -> None:
    import forest as own

    joblib.dump(own.Forest(random_state=0).fit(np.load(Path(folder) / "rows.npy")), Path(folder) / "forest.joblib")


if __name__ == "__main__":
    main(*sys.argv[1:])
