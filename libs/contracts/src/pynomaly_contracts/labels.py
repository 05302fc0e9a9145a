"""What counts as a label, for every service alike."""

import reprlib
from collections.abc import Mapping

LABELS: Mapping[str, int] = {"0": 0, "false": 0, "no": 0, "normal": 0, "1": 1, "true": 1, "yes": 1, "anomaly": 1}
ACCEPTED = "0/1, true/false, yes/no or normal/anomaly"


def parse_label(value: object) -> int:
    """1 for an anomaly, 0 for a normal row.

    value: a boolean, the numbers 0 and 1 of any type, or a word, case-blind, with or without spaces around it.
    Raises ValueError for anything else, a missing value included; it never guesses.
    """
    if isinstance(value, bool | int | float) and value in (0, 1):
        return int(value)
    label = LABELS.get(value.strip().lower()) if isinstance(value, str) else None
    if label is None:
        raise ValueError(f"{reprlib.repr(value)} is not a label; use {ACCEPTED}")
    return label
