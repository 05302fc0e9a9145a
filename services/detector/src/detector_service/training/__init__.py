"""Fitting on rows: what can be fitted and how much memory it takes, the fit, and the model that comes of it.

Nothing here is imported with the room: what a fit needs (PyOD, onnx) is no part of a process that only asks for one.
"""
