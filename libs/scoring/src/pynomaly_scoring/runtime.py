"""ONNX Runtime, silent: its wheels report their use to Microsoft unless the environment forbids it before they load."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # "0" lets it report

import onnxruntime as ort

_state = ort.capi.onnxruntime_pybind11_state
RUNTIME_ERRORS = (
    *(_state.Fail, _state.InvalidArgument, _state.InvalidGraph, _state.InvalidProtobuf, _state.EPFail),
    *(_state.NotImplemented, _state.RuntimeException, _state.EngineError, _state.NoSuchFile, _state.NoModel),
    *(RuntimeError, ValueError, MemoryError),
)
"""What loading or running a graph raises."""

__all__ = ["RUNTIME_ERRORS", "ort"]
