"""Fitted detectors as ONNX graphs: one file per family, one registry."""

from detector_service.compile.compiler import CompiledDetector, Source, check_finite, compile_detector, scoring_model
from detector_service.compile.family import Family
from detector_service.compile.graph import INPUT, OUTPUTS
from detector_service.compile.pipeline import Pipeline
from detector_service.compile.registry import FAMILIES
from detector_service.compile.run import GraphRun, run_graph

__all__ = [
    "FAMILIES",
    "INPUT",
    "OUTPUTS",
    "CompiledDetector",
    "Family",
    "GraphRun",
    "Pipeline",
    "Source",
    "check_finite",
    "compile_detector",
    "run_graph",
    "scoring_model",
]
