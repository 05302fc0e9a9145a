"""Verify and run a Pynomaly model artefact."""

from pynomaly_scoring.archive import MANIFEST_FILE, MODEL_FILE, SIGNATURE_FILE, Limits, pack
from pynomaly_scoring.artefact import Artefact, open_artefact
from pynomaly_scoring.columns import ColumnType, InputColumn
from pynomaly_scoring.errors import (
    ArchiveInvalid,
    ArtefactError,
    ArtefactTooLarge,
    GraphInvalid,
    KeyFileInvalid,
    KeyRevoked,
    KeyUnknown,
    ManifestInvalid,
    SignatureInvalid,
)
from pynomaly_scoring.graph import check_content
from pynomaly_scoring.keyring import KnownKey, known_keys, revoke_key, rotate_signing_key
from pynomaly_scoring.keys import TrustedKeys, ensure_signing_key, generate_signing_key, key_hint, publish_key
from pynomaly_scoring.manifest import Manifest, ScoreDistribution
from pynomaly_scoring.rehearsal import rehearse
from pynomaly_scoring.rows import Fault, RowRules, Rows
from pynomaly_scoring.scorer import Scorer, Scores

__all__ = [
    "MANIFEST_FILE",
    "MODEL_FILE",
    "SIGNATURE_FILE",
    "ArchiveInvalid",
    "Artefact",
    "ArtefactError",
    "ArtefactTooLarge",
    "ColumnType",
    "Fault",
    "GraphInvalid",
    "InputColumn",
    "KeyFileInvalid",
    "KeyRevoked",
    "KeyUnknown",
    "KnownKey",
    "Limits",
    "Manifest",
    "ManifestInvalid",
    "RowRules",
    "Rows",
    "ScoreDistribution",
    "Scorer",
    "Scores",
    "SignatureInvalid",
    "TrustedKeys",
    "check_content",
    "ensure_signing_key",
    "generate_signing_key",
    "key_hint",
    "known_keys",
    "open_artefact",
    "pack",
    "publish_key",
    "rehearse",
    "revoke_key",
    "rotate_signing_key",
]
