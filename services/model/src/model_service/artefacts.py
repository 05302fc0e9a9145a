"""Artefacts: checked before a row exists, kept in object storage, checked again before each load."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import numpy as np
import structlog
from pynomaly_chassis.bucket import Bucket, StorageUnavailable
from pynomaly_chassis.ids import new_id
from pynomaly_scoring import (
    Artefact,
    ArtefactError,
    GraphInvalid,
    KeyFileInvalid,
    Limits,
    ManifestInvalid,
    Scorer,
    TrustedKeys,
    check_content,
    open_artefact,
    rehearse,
)

from model_service.errors import ArtefactRefused, ArtefactUntrusted
from model_service.metrics import ModelMetrics
from model_service.records import StoredVersion

log = structlog.get_logger()
LoadKeys = Callable[[], TrustedKeys]
"""Reads the trusted keys afresh, so that one can be added or revoked while the service runs."""


class LoadedArtefact(NamedTuple):
    """A verified artefact and its runtime."""

    artefact: Artefact
    scorer: Scorer


class ArtefactStore:
    """The bytes of artefacts."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, tenant_id: str, archive: bytes) -> str:
        """Store the bytes under a new key, which is returned. Until a row names it, it counts as garbage.

        Raises StorageFull, StorageUnavailable.
        """
        key = f"{tenant_id}/models/{new_id()}.zip"
        await self._bucket.put_new(key, archive)
        return key

    async def get(self, key: str) -> bytes:
        """All the bytes of an object. Raises StorageUnavailable."""
        with _there():
            return await self._bucket.get(key)

    async def chunks(self, key: str, part: tuple[int, int] | None = None) -> AsyncIterator[memoryview]:
        """The bytes of an object in pieces. part: the first byte and the one after the last, of those alone.

        Raises StorageUnavailable before the first piece if it cannot be read.
        """
        with _there():
            return self._bucket.chunks(await self._bucket.opened(key, part))


class ArtefactChecker:
    """Opens archives: strictly those that come in, and again those that were stored."""

    def __init__(self, load_keys: LoadKeys, metrics: ModelMetrics, *, max_bytes: int, n_at_once: int = 2) -> None:
        self._load_keys, self._metrics, self._limits = load_keys, metrics, Limits(archive_bytes=max_bytes)
        self._turns = asyncio.Semaphore(n_at_once)

    async def admit(self, archive: bytes) -> Artefact:
        """Check an archive that is to be registered, off the event loop. Raises ArtefactRefused."""
        async with self._turns:
            try:
                return await asyncio.to_thread(self._admit, archive)
            except ArtefactError as error:
                self._metrics.refused(error.reason)
                log.warning("artefact.refused", reason=error.reason, detail=str(error)[:300])
                raise ArtefactRefused.because(error) from error

    async def load(self, archive: bytes, stored: StoredVersion) -> LoadedArtefact:
        """Verify stored bytes and load them, off the event loop. Raises ArtefactUntrusted."""
        async with self._turns:
            try:
                return await asyncio.to_thread(self._load, archive, stored)
            except ArtefactError as error:
                self._metrics.refused(error.reason)
                log.exception("artefact.untrusted", reason=error.reason, digest=stored.digest)
                raise ArtefactUntrusted(f"the stored artefact is refused: {error}", reason=error.reason) from error

    def _admit(self, archive: bytes) -> Artefact:
        artefact = open_artefact(archive, trusted=self._keys(), limits=self._limits)
        check_content(artefact.model)
        check_graph(artefact.model)
        rehearse(artefact)
        _check_origin(artefact.manifest.dataset_id)
        _check_trial(Scorer(artefact))
        return artefact

    def _load(self, archive: bytes, stored: StoredVersion) -> LoadedArtefact:
        """The bytes are hashed once: what is signed of them is also what was registered."""
        known = stored.content_digest
        if known is None and sha256(archive) != stored.digest:
            raise ArtefactError("digest-mismatch", "its bytes are not those that were registered")
        artefact = open_artefact(archive, trusted=self._keys(), limits=self._limits)
        if known not in (None, artefact.content_digest):
            raise ArtefactError("digest-mismatch", "its files are not those that were registered")
        return LoadedArtefact(artefact, Scorer(artefact))

    def _keys(self) -> TrustedKeys:
        try:
            return self._load_keys()
        except (KeyFileInvalid, OSError) as error:
            log.exception("trusted_keys.unreadable")
            raise StorageUnavailable("the trusted keys cannot be read", retry_after_s=5) from error


def sha256(archive: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(archive).hexdigest()


def check_graph(model: bytes) -> None:
    """The ONNX project's own checker, with shapes and types inferred. Raises GraphInvalid."""
    import onnx  # noqa: PLC0415 - 7 MB that only registering needs
    from onnx.shape_inference import InferenceError  # noqa: PLC0415

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, InferenceError, ValueError, RuntimeError) as error:
        raise GraphInvalid("onnx-checker", f"the ONNX checker refuses the graph: {error}") from error


def _check_origin(dataset_id: str) -> None:
    try:
        if dataset_id:
            UUID(dataset_id)
    except ValueError as error:
        raise ManifestInvalid("manifest-value", f"dataset_id is no UUID: {dataset_id[:80]!r}") from error


def _check_trial(scorer: Scorer) -> None:
    """A row of zeros must get finite scores and a position in [0, 1]."""
    scores = scorer.score_rows(scorer.zeros(1), confidence=False)
    position = float(scores.prediction[0])
    if not np.isfinite(scores.raw_score[0]) or not 0 <= position <= 1:
        raise GraphInvalid("trial-score", f"a row of zeros is scored {scores.raw_score[0]}, position {position}")


@contextmanager
def _there() -> Iterator[None]:
    """A row exists only for bytes that are whole: where they are missing, the store is not what it was."""
    try:
        yield
    except FileNotFoundError as error:
        log.warning("storage.lacks", error=str(error)[:300])
        raise StorageUnavailable("object storage does not have the artefact", retry_after_s=2) from error
