"""A verified model, ready to score."""

from pathlib import Path
from typing import Any

from pynomaly_scoring import Scorer, TrustedKeys, open_artefact

from detector_service.sandbox import ARTEFACT


def load_scorer(folder: Path, request: dict[str, Any]) -> Scorer:
    """The folder's artefact, if a trusted key signed it. Raises ArtefactError."""
    archive = (folder / ARTEFACT).read_bytes()
    return Scorer(open_artefact(archive, trusted=TrustedKeys.load(Path(request["trusted_keys"]))))
