"""The way down the trees, in WebAssembly: what a hostile forest could reach is its own memory alone."""

from collections import deque
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly_scoring.forests.forest import FloatArray, Forest
from pynomaly_scoring.forests.program import ROWS

_PAGE_BYTES = 2**16
_BLOCK_BYTES = 2**18  # of rows that are handed over at a time
_NODE = np.dtype([("column", "<i8"), ("split", "<f8")])  # column: where in a block it begins, bytes


@cache
def is_installed() -> bool:
    """Whether there is a WebAssembly runtime."""
    return find_spec("wasmtime") is not None


class Kernel:
    """Adds up the leaves of rows. Threads may share it: each call has a memory of its own."""

    def __init__(self, forest: Forest) -> None:
        self._forest = forest
        self._idle: deque[_Memory] = deque()
        self.n_bytes = forest.leaves.size * (_NODE.itemsize + 8) + 2 * _BLOCK_BYTES

    def runs(self) -> bool:
        """Whether this process has room for it: where it may not reserve addresses, it has none."""
        try:
            self.sums(np.zeros((1, self._forest.n_columns)))
        except RuntimeError:
            return False
        return True

    def sums(self, rows: FloatArray) -> FloatArray:
        """Of rows (n_rows, n_columns), each one's sum, (n_rows,). Raises RuntimeError."""
        if rows.ndim != 2 or rows.shape[1] < self._forest.n_columns or rows.dtype != np.float64:
            raise RuntimeError(f"the forest takes {self._forest.n_columns} columns, not {rows.dtype} {rows.shape}")
        try:
            memory = self._idle.pop()
        except IndexError:
            memory = _Memory(self._forest)
        found = memory.sums(rows)
        self._idle.append(memory)
        return found


class _Memory:
    """An instance of the program, with the forest in its memory and room for some blocks of rows."""

    def __init__(self, forest: Forest) -> None:
        from pynomaly_scoring.forests.webassembly import FAILURES, instance  # noqa: PLC0415 - not installed everywhere

        self._failures = FAILURES
        self._store, exports = instance()
        self._add_up = exports["add_up"]
        n_columns = self._n_columns = forest.n_columns  # what rows have beyond these, no tree looks at
        self._n_blocks = max(1, _BLOCK_BYTES // (8 * n_columns * ROWS))
        n_trees, n_leaves = forest.leaves.shape
        n_values = (
            2 * forest.leaves.size,
            forest.leaves.size,
            self._n_blocks * ROWS,
            self._n_blocks * n_columns * ROWS,
        )
        starts = np.cumsum((_PAGE_BYTES, *(8 * n for n in n_values))).tolist()
        whole = self._grown(exports["memory"], starts[-1])
        nodes, leaves, sums, blocks = (whole[slice(*ends)] for ends in pairwise(starts))
        _write_nodes(nodes, forest)
        leaves.view(np.float64)[:] = forest.leaves.ravel()
        self._sums = sums.view(np.float64).reshape(-1, ROWS)
        self._blocks = blocks.view(np.float64).reshape(-1, n_columns, ROWS)
        # A place counts from the root, and the leaves' places begin after the nodes'.
        self._where = starts[3], starts[0], starts[1] - 8 * (n_leaves - 1), starts[2]
        self._sizes = 8 * n_columns * ROWS, _NODE.itemsize * n_leaves, 8 * n_leaves, n_trees, forest.depth

    def _grown(self, memory: Any, n_bytes: int) -> NDArray[np.uint8]:
        memory.grow(self._store, -(-n_bytes // _PAGE_BYTES))
        return np.ctypeslib.as_array(memory.data_ptr(self._store), (memory.data_len(self._store),))

    def sums(self, rows: FloatArray) -> FloatArray:
        rows = rows[:, : self._n_columns]
        found, step = np.empty(len(rows)), self._n_blocks * ROWS
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            n_blocks = self._fill(part)
            try:
                self._add_up(self._store, n_blocks, *self._where, *self._sizes)
            except self._failures as error:
                raise RuntimeError(f"the forest failed to run: {error}") from error
            found[first : first + step] = self._sums[:n_blocks].ravel()[: len(part)]
        return found

    def _fill(self, rows: FloatArray) -> int:
        """Rows into blocks; how many these are. What is left of the last one has rows of before, whose sums nobody
        takes."""
        n_whole, n_left = divmod(len(rows), ROWS)
        self._blocks[:n_whole] = rows[: n_whole * ROWS].reshape(n_whole, ROWS, self._n_columns).transpose(0, 2, 1)
        if n_left:
            self._blocks[n_whole, :, :n_left] = rows[n_whole * ROWS :].T
        n_blocks = n_whole + bool(n_left)
        self._sums[:n_blocks] = 0.0
        return n_blocks


def _write_nodes(room: NDArray[np.uint8], forest: Forest) -> None:
    nodes = room.view(_NODE).reshape(forest.leaves.shape)
    nodes["column"][:, :-1], nodes["split"][:, :-1] = 8 * ROWS * forest.columns, forest.splits
