"""Figures: how well a detector agrees with labels."""

from pydantic import Field

from pynomaly_contracts.base import Answer

Interval = tuple[float, float]


class Figures(Answer):
    """How well scores and verdicts agree with the labels of some rows."""

    roc_auc: float
    average_precision: float
    precision_at_n: float = Field(description="Precision among the n highest scores, n = number of anomalies.")
    f1: float = Field(description="At the model's threshold.")
    precision: float | None = Field(default=None, description="At the model's threshold; 0 where it calls no row one.")
    recall: float | None = Field(default=None, description="At the model's threshold.")
    false_alarm_rate: float | None = Field(
        default=None, description="Share of the normal rows over the model's threshold."
    )
    n_anomalies: int = Field(description="Rows that are labelled one.")
    intervals: dict[str, Interval] = Field(
        default={},
        description="95 % confidence interval of each figure by name, low and high: stratified bootstrap, on log odds.",
        examples=[{"roc_auc": [0.941, 0.979]}],
    )
