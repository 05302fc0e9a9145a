"""A comparison as one page that needs nothing else: no script, no picture from elsewhere."""

from typing import get_args

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pynomaly_contracts.evaluations import Comparison, Metric

WIDTH = 640
"""Of the plot, in its own units."""

_templates = Environment(
    loader=PackageLoader("detector_service"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(comparison: Comparison) -> str:
    """HTML. Everything that comes from users is escaped."""
    low, high = _scale(comparison)

    def place(value: float) -> str:
        return f"{WIDTH * (value - low) / (high - low):.1f}"

    page = _templates.get_template("comparison.html")
    return page.render(comparison=comparison, metrics=get_args(Metric), place=place, low=low, high=high, width=WIDTH)


def _scale(comparison: Comparison) -> tuple[float, float]:
    """From the lowest to the highest end of the metric's intervals, a tenth at most to spare, within [0, 1]."""
    metrics = [item.evaluation.metrics for item in comparison.items]
    ends = [end for found in metrics for end in found.intervals.get(comparison.metric, ())]
    ends += [float(getattr(found, comparison.metric)) for found in metrics]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    spare = max(0.05 * (high - low), 0.005)
    return max(0.0, low - spare), min(1.0, high + spare)
