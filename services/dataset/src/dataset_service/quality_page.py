"""The quality report as one page that needs nothing else: no script, no picture from elsewhere."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pynomaly_contracts.datasets import Dataset, QualityReport

_templates = Environment(
    loader=PackageLoader("dataset_service"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(dataset: Dataset, report: QualityReport) -> str:
    """HTML. Everything that comes from the data is escaped."""
    counts = report.target_counts or {}
    share = counts.get("1", 0) / max(1, sum(counts.values()))
    return _templates.get_template("quality.html").render(dataset=dataset, report=report, target_share=share)
