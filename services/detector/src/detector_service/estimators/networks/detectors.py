"""PyOD's detectors, each with its own formula of the score on float64 numbers."""

from typing import Any

import numpy as np
from pyod.models import ae1svm, auto_encoder, deep_svdd, dif, lunar, vae
from sklearn.preprocessing import StandardScaler

from detector_service.estimators.networks.base import FloatMatrix, FloatVector, Network, in_float64, rounded

_EPSILON = 1e-8  # that PyOD's data set adds to each standard deviation
_MAX_WEIGHTS = 16_000_000  # 64 MB of a model


class AutoEncoder(Network, auto_encoder.AutoEncoder):  # type: ignore[misc]  # PyOD is untyped
    """How far the decoded row lies from the row."""

    def decision_function(self, rows: FloatMatrix, batch_size: int | None = None) -> FloatVector:  # noqa: ARG002 - PyOD's
        """Scores of rows (n_rows, n_features); (n_rows,)."""
        standard = _standardised(rows, self.X_mean, self.X_std) if self.preprocessing else rounded(rows)
        return _lengths(standard - in_float64(self.model, standard))


class VAE(Network, vae.VAE):  # type: ignore[misc]  # PyOD is untyped
    """How far the decoded mean of a row's code lies from the row. PyOD decodes a draw, another one at each call."""

    def decision_function(self, rows: FloatMatrix, batch_size: int | None = None) -> FloatVector:  # noqa: ARG002 - PyOD's
        """Scores of rows (n_rows, n_features); (n_rows,)."""
        standard = _standardised(rows, self.X_mean, self.X_std) if self.preprocessing else rounded(rows)
        return _lengths(standard - in_float64(self.model, standard, lambda model, x: model.decode(model.encode(x)[0])))


class AE1SVM(Network, ae1svm.AE1SVM):  # type: ignore[misc]  # PyOD is untyped
    """How far the decoded row lies from the row; the support vector machine has a part in the training alone."""

    def decision_function(self, rows: FloatMatrix) -> FloatVector:
        """Scores of rows (n_rows, n_features); (n_rows,)."""
        standard = _standardised(rows, self.mean, self.std) if self.preprocessing else rounded(rows)
        return _lengths(standard - in_float64(self.model, standard, lambda model, x: model.decoder(model.encoder(x))))


class DeepSVDD(Network, deep_svdd.DeepSVDD):  # type: ignore[misc]  # PyOD is untyped
    """The squared distance of a row's representation from the centre."""

    def fit(self, rows: FloatMatrix, y: None = None) -> Network:
        """Fit on rows (n_rows, n_features). Raises ValueError where no centre but zero comes of them, MemoryError."""
        self.n_features = rows.shape[1]  # PyOD asks for it before there are rows
        try:
            return super().fit(rows, y)
        except ValueError as error:
            if "center is all zeros" not in str(error):
                raise
            raise ValueError(
                "its network maps all rows to zero; choose another activation, or other columns"
            ) from error

    def decision_function(self, rows: FloatMatrix) -> FloatVector:
        """Scores of rows (n_rows, n_features); (n_rows,)."""
        standard = rounded(self.scaler_.transform(rows) if self.preprocessing else rows)
        squares = (in_float64(self.model_, standard) - self.c_.numpy().astype(np.float64)) ** 2
        scores: FloatVector = squares.sum(axis=1)
        return scores


class LUNAR(Network, lunar.LUNAR):  # type: ignore[misc]  # PyOD is untyped
    """What a network makes of a row's distances to its nearest rows, training rows and made up ones."""

    def fit(self, rows: FloatMatrix, y: None = None) -> Network:
        """Fit on rows (n_rows, n_features). Raises ValueError where there are too few, MemoryError."""
        super().fit(rows, y)
        self.decision_scores_ = self.decision_function(rows)
        self._process_decision_scores()
        return self

    def decision_function(self, rows: FloatMatrix) -> FloatVector:
        """Scores of rows (n_rows, n_features); (n_rows,)."""
        scaled = rounded(self.scaler_.transform(rounded(rows).astype(np.float32)))
        numbers = self.neigh.kneighbors(scaled.astype(np.float32), self.n_neighbours, return_distance=False)
        reference = self.neigh._fit_X.astype(np.float64)  # noqa: SLF001 - scikit-learn's rows have no other name
        neighbours = (_lengths(scaled - reference[column]) for column in numbers.T)
        return in_float64(self.network, rounded(np.sort(np.column_stack(list(neighbours)), axis=1)))


class DIF(Network, dif.DIF):  # type: ignore[misc]  # PyOD is untyped
    """Isolation forests on random representations. PyOD standardises a representation over the batch that it scores,
    in which one row alone is always its own mean; here, over the training rows, as PyOD does while it trains."""

    def fit(self, rows: FloatMatrix, y: None = None) -> Network:
        """Fit on rows (n_rows, n_features). Raises ValueError where the networks are too large, MemoryError."""
        widths = [rows.shape[1], *self.hidden_neurons, self.representation_dim]
        shown = np.cumsum(widths) if self.skip_connection else widths
        n_weights = self.n_ensemble * int(np.dot(shown[:-1], widths[1:]))
        if n_weights > _MAX_WEIGHTS:
            raise ValueError(f"its networks would have {n_weights:,} weights; a model holds at most {_MAX_WEIGHTS:,}")
        self.scalers_: dict[int, StandardScaler] = {}
        return super().fit(rows, y)

    def _deep_representation(self, net: Any, rows: FloatMatrix) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Of rows that are scaled already; (n_rows, representation_dim)."""
        representation = in_float64(net, rounded(rows))
        scaler = self.scalers_.setdefault(id(net), StandardScaler())
        if not hasattr(scaler, "mean_"):
            scaler.fit(representation)
        bounded: np.ndarray[Any, np.dtype[np.float32]] = np.tanh(scaler.transform(representation)).astype(np.float32)
        return bounded


def _standardised(rows: FloatMatrix, mean: FloatVector, deviation: FloatVector) -> FloatMatrix:
    return rounded((rows - mean) / (deviation + _EPSILON))


def _lengths(differences: FloatMatrix) -> FloatVector:
    lengths: FloatVector = np.sqrt((differences**2).sum(axis=1))
    return lengths
