"""Two versions' verdicts on the same rows."""

from pathlib import Path
from typing import Any

from pynomaly_scoring import Rows, Scorer, TrustedKeys, open_artefact

from detector_service.child.rows import Block, read_checked
from detector_service.child.scoring import score_block
from detector_service.worker.sandbox import ARTEFACT, ARTEFACT_BEFORE, ROWS, Report

MAX_COMPARED = 100_000


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """The share of rows that both judge alike, of at most about 100,000, evenly spread. Raises Unfit, ArtefactError."""
    trusted = TrustedKeys.load(Path(request["trusted_keys"]))
    now, before = (
        Scorer(open_artefact((folder / name).read_bytes(), trusted=trusted)) for name in (ARTEFACT, ARTEFACT_BEFORE)
    )
    every = -(-request["n_rows"] // MAX_COMPARED)
    report("comparing", 0.0)
    blocks = (read_checked(folder / ROWS, each.manifest.inputs) for each in (now, before))
    n_compared = n_alike = 0
    for ours, theirs in zip(*blocks, strict=True):
        verdicts = [
            score_block(scorer, _thinned(block, every)).is_anomaly for scorer, block in ((now, ours), (before, theirs))
        ]
        n_compared += len(verdicts[0])
        n_alike += int((verdicts[0] == verdicts[1]).sum())
    return {"agreement": n_alike / max(n_compared, 1), "n_compared": n_compared}


def _thinned(block: Block, every: int) -> Block:
    """The rows whose numbers, from 0, are multiples of `every`."""
    begin = -(block.first_row - 1) % every
    text = None if block.rows.text is None else block.rows.text[begin::every]
    return block._replace(rows=Rows(block.rows.numeric[begin::every], text))
