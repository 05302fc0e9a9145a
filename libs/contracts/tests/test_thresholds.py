"""How a threshold may be asked for."""

from typing import Any

import pytest
from pydantic import ValidationError
from pynomaly_contracts.thresholds import ThresholdChoice


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"method": "contamination", "target": 0.1}, "takes no target"),
        ({"method": "precision"}, "precision needs a target"),
        ({"method": "false_alarm_rate", "target": 0.0}, "greater than 0"),
        ({"method": "recall", "target": 0.5}, "'contamination', 'precision' or 'false_alarm_rate'"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_with_what_would(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ThresholdChoice.model_validate(fields)
