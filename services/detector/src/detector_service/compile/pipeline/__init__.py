"""The feature pipeline: part of the graph, so that raw rows are scored."""

from detector_service.compile.pipeline.filling import check_values
from detector_service.compile.pipeline.pipeline import Pipeline

__all__ = ["Pipeline", "check_values"]
