"""Names that somebody may have meant."""

import time

import pytest
from detector_service.domain import Refusal
from detector_service.nearest import N_HELPED, nearest, with_nearest

NAMES = ["age", "weight", "Blood Pressure", "größe", "f1", "f10", "f100"]


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        pytest.param("agee", ["age"], id="a letter too many"),
        pytest.param("AGE", ["age"], id="another case"),
        pytest.param("blood_pressure", ["Blood Pressure"], id="another sign between words"),
        pytest.param("wieght", ["weight"], id="letters in another order"),
        pytest.param("grösse", ["größe"], id="another spelling"),
        pytest.param("f01", ["f1", "f10"], id="several"),
        pytest.param("income", [], id="none"),
        pytest.param("", [], id="no text at all"),
    ],
)
def test_the_nearest_names_are_found(wanted: str, near: list[str]) -> None:
    assert sorted(nearest(wanted, NAMES)) == sorted(near)


def test_only_unknown_names_are_helped_and_only_the_first_few() -> None:
    wrong = [Refusal("feature_columns", "age", "is the target")]
    wrong += [Refusal("feature_columns", f"agee{number}", "unknown") for number in range(N_HELPED + 2)]
    told = [refusal.message for refusal in with_nearest(wrong, NAMES)]
    assert told[0] == "is the target"
    assert told[1 : N_HELPED + 1] == ["unknown; did you mean 'age'?"] * N_HELPED
    assert told[N_HELPED + 1 :] == ["unknown"] * 2


def test_among_ten_thousand_names_help_comes_at_once() -> None:
    names = [f"sensor_{number}_temperature" for number in range(10_000)]
    wrong = [Refusal("feature_columns", f"sensr_{number}_temperature", "unknown") for number in range(10_000)]
    began_s = time.process_time()
    told = with_nearest(wrong, names)
    assert time.process_time() - began_s < 3  # far more than it takes
    assert "did you mean 'sensor_0_temperature'" in told[0].message
