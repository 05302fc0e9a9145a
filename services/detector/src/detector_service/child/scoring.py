"""A verified model, and its scores of a block of rows."""

from pathlib import Path
from typing import Any

import numpy as np
from pynomaly_scoring import Scorer, Scores, TrustedKeys, open_artefact

from detector_service.child.rows import Block
from detector_service.domain import Refusal, Unfit
from detector_service.worker.sandbox import ARTEFACT


def load_scorer(folder: Path, request: dict[str, Any]) -> Scorer:
    """The folder's artefact, if a trusted key signed it. Raises ArtefactError."""
    archive = (folder / ARTEFACT).read_bytes()
    return Scorer(open_artefact(archive, trusted=TrustedKeys.load(Path(request["trusted_keys"]))))


def score_block(scorer: Scorer, block: Block) -> Scores:
    """Without confidence. Raises Unfit naming the first row that has no finite score, GraphInvalid."""
    scores = scorer.score_rows(block.rows, confidence=False)
    finite = np.isfinite(scores.raw_score) & np.isfinite(scores.prediction)
    if not finite.all():
        row = block.first_row + int(finite.argmin())
        message = f"row {row} has no finite score: its values are too large for this model's arithmetic; leave it out"
        raise Unfit(Refusal("dataset_id", None, message))
    return scores
