"""Forests without a branch: a graph's trees, for many rows at a time, in WebAssembly in place of ONNX Runtime.

ONNX Runtime goes down a tree with a jump at every node, and half of the jumps are guessed wrong. Here every tree is
complete, so that the way down is arithmetic, and eight rows go down together: the same scores to the last bit, two
to four times as fast. It takes the package wasmtime (the extra `fast`); without it, ONNX Runtime does all of the work.
"""

from pynomaly_scoring.forests.passing import FEWEST_ROWS, TreePass

__all__ = ["FEWEST_ROWS", "TreePass"]
