"""The float64 numbers in their order."""

from collections.abc import Callable

import numpy as np


def last_float_where(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest float64 x in [low, high) for which `holds`, true at low and, once false, false to high.

    Found by bisecting the floats in their order: the border of a rounded comparison, to the last bit.
    """
    first, last = _position(low), _position(high)
    with np.errstate(over="ignore"):
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (middle, last) if holds(_float_at(middle)) else (first, middle)
    return _float_at(first)


def _position(value: float) -> int:
    """The rank of a float64 among all float64; 0.0 has rank 0."""
    bits = int(np.float64(abs(value)).view(np.int64))
    return -bits if value < 0 else bits


def _float_at(position: int) -> float:
    magnitude = float(np.int64(abs(position)).view(np.float64))
    return -magnitude if position < 0 else magnitude
