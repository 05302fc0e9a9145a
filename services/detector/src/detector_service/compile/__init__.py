"""Fitted detectors as ONNX graphs: one file per family, one registry."""

from detector_service.compile.graph import INPUT, OUTPUTS
from detector_service.compile.registry import FAMILIES, CompiledDetector, compile_detector, run_graph

__all__ = ["FAMILIES", "INPUT", "OUTPUTS", "CompiledDetector", "compile_detector", "run_graph"]
