"""Which of many names somebody may have meant. Pure, and quick enough for a server's event loop."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from heapq import nlargest

from detector_service.domain import Refusal

N_HELPED = 3  # refusals whose names are looked up: each takes some 30 ms among 10,000
_N_LIKELY = 20
_N_TOLD = 3


def with_nearest(refusals: Sequence[Refusal], names: Collection[str]) -> list[Refusal]:
    """The first few whose value is not among the names say which of them come nearest to it."""
    told, left = list(refusals), N_HELPED
    for place, refusal in enumerate(told):
        if left and isinstance(refusal.value, str) and refusal.value not in names:
            left -= 1
            if near := nearest(refusal.value, names):
                message = f"{refusal.message}; did you mean {' or '.join(map(repr, near))}?"
                told[place] = refusal._replace(message=message)
    return told


def nearest(wanted: str, names: Collection[str]) -> list[str]:
    """Up to three, the nearest first, case aside; none where none is near."""
    asked, folded = wanted.casefold(), {name.casefold(): name for name in names}
    pairs = {asked[place : place + 2] for place in range(len(asked) - 1)}
    likely = nlargest(_N_LIKELY, folded, key=lambda name: sum(pair in name for pair in pairs))
    return [folded[match] for match in get_close_matches(asked, likely, n=_N_TOLD, cutoff=0.6)]
