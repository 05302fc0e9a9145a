"""What labels add to a training that never sees them: a threshold that keeps a target, and figures."""

from dataclasses import dataclass
from typing import Any

from detector_service.domain import Refusal, Unfit
from detector_service.evaluation.figures import check_labels, compare
from detector_service.evaluation.intervals import Interval, quantile_interval
from detector_service.evaluation.metrics import BoolVector, FloatVector, judge, rank
from detector_service.evaluation.paired import PairedFigures, paired_figures
from detector_service.evaluation.thresholds import Target, choose_threshold, threshold_interval


@dataclass(frozen=True)
class Supervision:
    """labels: (n_train,), True is an anomaly; None where there are none, or all are of one kind.

    target: what the threshold is to keep on the labels; None: the contamination sets it. It needs labels.
    seed: of the bootstrap.
    """

    labels: BoolVector | None = None
    target: Target | None = None
    seed: int = 0

    def choose(self, scores: FloatVector) -> float | None:
        """The threshold that keeps the target on the training scores, (n_train,); None without one. Raises Unfit."""
        if self.target is None:
            return None
        if self.labels is None:
            message = f"a threshold by {self.target.method} needs labels; the data has none"
            raise Unfit(Refusal("threshold.method", self.target.method, message))
        return choose_threshold(self.labels, scores, self.target)

    def describe(self, scores: FloatVector, threshold: float, contamination: float | None) -> dict[str, Any]:
        """What the manifest tells of a threshold on training scores, (n_train,): its interval, and figures if labelled.

        contamination: whose quantile the threshold is; None where it is a parameter.
        """
        figures: dict[str, Any] = {}
        if self.labels is not None:
            figures = compare(rank(self.labels, scores), judge(self.labels, scores > threshold), self.seed)
        return {"threshold_interval": self._interval(scores, contamination), "metrics": figures}

    def paired(self, scores: FloatVector, threshold: float) -> PairedFigures | None:
        """Figures of samples of the training rows, to compare with other detectors'; None without labels."""
        return None if self.labels is None else paired_figures(self.labels, scores, scores > threshold)

    def _interval(self, scores: FloatVector, contamination: float | None) -> Interval | None:
        if self.target is not None and self.labels is not None:
            return threshold_interval(self.labels, scores, self.target, self.seed)
        return None if contamination is None else quantile_interval(scores, 1.0 - contamination)


UNSUPERVISED = Supervision()


def supervise(labels: BoolVector, target_column: str, target: Target | None, seed: int) -> Supervision:
    """Of the training rows' labels. Raises Unfit where they are all of one kind."""
    check_labels(labels, target_column, "a threshold on labels" if target else "a figure")
    return Supervision(labels, target, seed)
