"""One rule says what a label is."""

import pytest
from pynomaly_contracts.labels import parse_label


@pytest.mark.parametrize("value", [1, 1.0, True, "1", "true", "TRUE", "Yes", "anomaly", " Anomaly "])
def test_an_anomaly_is_one(value: object) -> None:
    assert parse_label(value) == 1


@pytest.mark.parametrize("value", [0, 0.0, -0.0, False, "0", "false", "NO", "normal"])
def test_a_normal_row_is_zero(value: object) -> None:
    assert parse_label(value) == 0


@pytest.mark.parametrize("value", [2, -1, 0.5, float("nan"), None, "", "maybe", "y", "1.0", b"1", [1]])
def test_anything_else_is_refused_by_its_value(value: object) -> None:
    with pytest.raises(ValueError, match="is not a label; use 0/1"):
        parse_label(value)


def test_a_long_text_is_shown_by_its_ends() -> None:
    with pytest.raises(ValueError, match=r"^'x+\.\.\.x+' is not a label") as refused:
        parse_label("x" * 1_000_000)
    assert len(str(refused.value)) < 200
