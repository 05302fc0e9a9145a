"""Byte ranges of a representation whose length is known."""

import pytest
from pynomaly_chassis.conditional import RangeNotSatisfiable, satisfiable


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [((0, 0), 0, 1), ((2, 5), 2, 6), ((2, None), 2, 10), ((2, 99), 2, 10), ((9, 9), 9, 10)],
    ids=["the first byte", "the middle", "the rest", "more than there is", "the last byte"],
)
def test_a_part_ends_with_the_representation(wanted: tuple[int, int | None], first: int, end: int) -> None:
    part = satisfiable(wanted, 10)
    assert (part.first, part.end) == (first, end)
    assert part.headers == {"content-range": f"bytes {first}-{end - 1}/10", "content-length": str(end - first)}


@pytest.mark.parametrize(("first", "n_bytes"), [(10, 10), (0, 0)], ids=["after the last byte", "of nothing"])
def test_a_part_that_begins_after_the_end_is_refused_with_the_length(first: int, n_bytes: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        satisfiable((first, None), n_bytes)
    assert caught.value.headers == {"content-range": f"bytes */{n_bytes}"}
