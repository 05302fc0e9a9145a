"""ONNX Runtime, silent: its wheels report their use to Microsoft unless the environment forbids it before they load."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # "0" lets it report

import onnxruntime as ort

__all__ = ["ort"]
