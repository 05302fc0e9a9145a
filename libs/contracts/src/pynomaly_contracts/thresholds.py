"""How the threshold of a detector is chosen."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pynomaly_contracts.base import Request


class ThresholdChoice(Request):
    """What the threshold is to keep.

    contamination: this share of the training rows lies above it. precision, false_alarm_rate: on the labels of the
    training data's target column, at least this share of the rows above it are anomalies, or at most this share of the
    normal rows lie above it; of all such thresholds the one that finds most anomalies. Contamination then changes no
    verdict.
    """

    method: Literal["contamination", "precision", "false_alarm_rate"] = "contamination"
    target: float | None = Field(default=None, gt=0, le=1, description="0 < target <= 1; none for contamination.")

    @model_validator(mode="after")
    def _target_fits(self) -> Self:
        if self.method == "contamination" and self.target is not None:
            raise ValueError("method contamination takes no target: the detector's contamination is what it keeps")
        if self.method != "contamination" and self.target is None:
            raise ValueError(f"method {self.method} needs a target, a share over 0 and up to 1")
        return self
