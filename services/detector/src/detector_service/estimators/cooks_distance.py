"""Cook's distance of rows that come one by one: PyOD's CD, asked about each row in the company of the training data."""

import warnings

import numpy as np
from numpy.typing import NDArray
from pyod.models import cd

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]

MAX_VALUES = 5_000_000  # of training rows, all of which are looked at for each score: 40 MB a time
_CERTAIN = 1 - 1e-9  # leverage of a row that a regression goes through
_DETERMINED = 1e-10  # of a column's length: less than this that the others do not explain is rounding


class CD(cd.CD):  # type: ignore[misc]  # PyOD is untyped
    """Mean over the columns of a row's Cook's distance from the regression of that column on the others.

    Cook (1977). Stock PyOD scales the distances by the least and the largest of the batch, takes leverages from the
    batch, and so has no answer for one row. Here each row is scored as stock PyOD scores it as the last row of
    training + row, by the regressions that were fitted on the training data: whatever comes with it plays no part.
    """

    def __init__(self, contamination: float = 0.1) -> None:
        super().__init__(contamination=contamination)

    def fit(self, rows: FloatMatrix, y: None = None) -> "CD":
        """Fit on rows (n_rows, n_features). Raises ValueError where a regression leaves no residual."""
        n_rows, n_features = rows.shape
        if n_features < 2:
            raise ValueError("it explains each column by the others, and there is only one")
        if n_rows <= n_features:
            raise ValueError(f"{n_rows} rows leave nothing of a regression on {n_features} columns; it needs more")
        if rows.size > MAX_VALUES:
            raise ValueError(f"it compares each row with all {rows.size:,} training values; at most {MAX_VALUES:,} do")
        _check_columns(rows)
        for column in range(n_features):
            _check_leverages(np.delete(rows, column, axis=1), column)
        super().fit(rows, y)
        self.training_ = rows
        return self

    def decision_function(self, rows: FloatMatrix) -> FloatVector:
        """Scores of rows (n_rows, n_features) in [0, 1]; (n_rows,).

        1 where stock PyOD has none: so far out that it has all the leverage, but for rounding.
        """
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            scores = [super(CD, self).decision_function(np.vstack((self.training_, row)))[-1] for row in rows]
        known: FloatVector = np.nan_to_num(np.array(scores), nan=1.0)
        return known


def _check_columns(rows: FloatMatrix) -> None:
    """Each column must hold something that a constant and the others do not explain."""
    flat = np.ptp(rows, axis=0) == 0
    if flat.any():
        raise ValueError(f"column {int(flat.argmax())} is constant: leave it out")
    for centre in (0.0, rows.mean(axis=0)):
        lengths = np.linalg.norm(rows - centre, axis=0)
        usable = np.isfinite(lengths) & (lengths > 0)
        if not usable.all():  # a decomposition of what is not finite may never end
            raise ValueError(
                f"column {int(usable.argmin())} has numbers too large or too small to be squared: rescale it"
            )
        _, singular, directions = np.linalg.svd((rows - centre) / lengths, full_matrices=False)
        if singular[-1] < _DETERMINED * singular[0]:
            column = int(np.abs(directions[-1]).argmax())
            raise ValueError(f"the other columns determine column {column} but for rounding: leave it out")


def _check_leverages(explaining: FloatMatrix, column: int) -> None:
    leverages = (np.linalg.svd(explaining, full_matrices=False)[0] ** 2).sum(axis=1)
    if leverages.max() > _CERTAIN:
        row = int(leverages.argmax())
        raise ValueError(f"row {row} alone decides the regression of column {column}: leave that row out")
