"""What PyOD's neural networks need to be trained and scored like any other detector here.

The same rows and seed give the same weights: on one thread, on the CPU, from seeds that are set for the fit alone.
PyOD scores in float32, in which a row's score depends, by rounding, on the rows beside it. The weights are PyOD's, to
the last bit; the scores are taken from them in float64.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from io import StringIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyod.models.base import BaseDetector

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]

_LARGEST = float(np.finfo(np.float32).max)
_BLOCK_ROWS = 1024


class Network(BaseDetector):  # type: ignore[misc]  # PyOD is untyped
    """Goes before one of PyOD's detectors among the bases of a class, and seeds it. seed: in 0..2**32 - 1."""

    seed = 0

    def fit(self, rows: FloatMatrix, y: None = None) -> "Network":
        """Fit on rows (n_rows, n_features). Raises ValueError where there are too few, MemoryError."""
        with reproducible(self.seed), redirect_stdout(StringIO()), _plain_errors():
            super().fit(rows, y)
        return self


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """All that is drawn inside comes from the seed, and one thread adds up. What it sets is put back at the end."""
    numpys, pythons, n_threads = np.random.get_state(), random.getstate(), torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic)
            torch.set_num_threads(n_threads)
            np.random.set_state(numpys)
            random.setstate(pythons)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """PyTorch's and PyOD's accidents as what they are."""
    try:
        yield
    except UnboundLocalError as error:  # the loop over batches never began
        message = "there are too few rows for one step of the training; add rows, or lower the size of a batch"
        raise ValueError(message) from error
    except RuntimeError as error:
        if "allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise


def rounded(values: NDArray[Any]) -> FloatMatrix:
    """The values as float32, the input of PyOD's networks, has them; beyond its range, its largest."""
    clipped: FloatMatrix = np.clip(values, -_LARGEST, _LARGEST).astype(np.float32).astype(np.float64)
    return clipped


def in_float64(network: Any, rows: FloatMatrix, call: Callable[[Any, Any], Any] | None = None) -> FloatMatrix:
    """What the network, or `call` of it, makes of rows (n_rows, n): by the same weights, without dropout."""
    exact = deepcopy(network).double().eval()
    call = call or (lambda network, rows: network(rows))
    starts = range(0, len(rows), _BLOCK_ROWS)
    with torch.no_grad():
        parts = [call(exact, torch.from_numpy(rows[start : start + _BLOCK_ROWS])).numpy() for start in starts]
    return np.concatenate(parts)
