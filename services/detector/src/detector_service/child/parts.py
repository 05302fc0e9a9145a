"""Scores of a run of rows, as files that outlive the process: what is in one is not computed again."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detector_service.child.scored import SCORE_TYPES, Scored
from detector_service.worker.sandbox import PARTS, part_name


class Parts:
    """The files in the folder's own folder for them; part n, from 0, has rows n * n_rows + 1 to (n + 1) * n_rows."""

    def __init__(self, folder: Path, n_rows: int) -> None:
        self._folder, self.n_rows = folder / PARTS, n_rows
        self._folder.mkdir(exist_ok=True)
        self._known = len(list(self._folder.iterdir()))
        self._grown: list[Scored] = []
        self._read = lru_cache(maxsize=2)(self._load)

    def find(self, first_row: int, n_rows: int) -> Scored | None:
        """What is known of these rows, which lie in one part; first_row: from 1."""
        number, begin = divmod(first_row - 1, self.n_rows)
        if number >= self._known:
            return None
        scores, end = self._read(number), begin + n_rows
        return Scored(scores.raw_score[begin:end], scores.prediction[begin:end], scores.is_anomaly[begin:end])

    def add(self, first_row: int, scores: Scored) -> None:
        """Add the next rows, at least one; those that complete a part bring it to the disk."""
        if (first_row - 1) // self.n_rows < self._known:
            return
        self._grown.append(scores)
        last_row = first_row + len(scores.raw_score) - 1
        if last_row % self.n_rows == 0:
            self._write(last_row // self.n_rows - 1)

    def _write(self, number: int) -> None:
        """Under another name until it is whole."""
        columns = [pa.array(np.concatenate(column)) for column in zip(*self._grown, strict=True)]
        unfinished = self._folder.with_suffix(".unfinished")
        pq.write_table(pa.table(columns, names=list(SCORE_TYPES)), unfinished, use_dictionary=False)
        unfinished.replace(self._folder / part_name(number, self.n_rows))
        self._grown.clear()

    def _load(self, number: int) -> Scored:
        table = pq.read_table(self._folder / part_name(number, self.n_rows))
        return Scored(*(table[name].to_numpy() for name in SCORE_TYPES))
