"""Typed clients of the dataset and the model service, under deadlines and circuit breakers."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import aiohttp
from pydantic import BaseModel, ValidationError
from pynomaly_chassis.pressure import TooLate
from pynomaly_chassis.problems import NotFound, ProblemError
from pynomaly_chassis.resilience import Calls
from pynomaly_chassis.travelling import carried
from pynomaly_contracts.base import is_reference
from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.headers import BATCH, IDEMPOTENCY_KEY, PRIORITY
from pynomaly_contracts.media import ARROW_STREAM, PARQUET, ZIP
from pynomaly_contracts.models import Model, ModelVersion
from pynomaly_contracts.problems import FieldProblem, Problem
from pynomaly_resilience import (
    BreakerPolicy,
    CallFailed,
    CallPolicy,
    DeadlineExceeded,
    ResilientResponse,
    ResilientSession,
    remaining_s,
)
from pynomaly_resilience.deadline import HOP_ALLOWANCE_S

from detector_service.errors import DatasetNotFound, ModelNotFound, PeerRefused, PeerUnavailable

_BREAKER = BreakerPolicy(consecutive_failures=5, open_s=2.0, open_max_s=30.0)
METADATA = CallPolicy(attempt_timeout_s=2.0, total_timeout_s=5.0, attempts=2, breaker=_BREAKER)
DOWNLOAD = CallPolicy(attempt_timeout_s=30.0, total_timeout_s=60.0, attempts=2, breaker=_BREAKER)
UPLOAD = CallPolicy(attempt_timeout_s=900.0, total_timeout_s=900.0, attempts=1, is_transfer=True, breaker=_BREAKER)
REGISTER = CallPolicy(attempt_timeout_s=120.0, total_timeout_s=240.0, attempts=2, is_transfer=True, breaker=_BREAKER)
API_CALLS: Calls = {("dataset", "get"): METADATA, ("model", "get"): METADATA}
WORKER_CALLS: Calls = {
    ("dataset", "rows"): DOWNLOAD,
    ("dataset", "upload"): UPLOAD,
    ("model", "artefact"): DOWNLOAD,
    ("model", "register"): REGISTER,
}
_CALLS = {**API_CALLS, **WORKER_CALLS}

_VERSION = re.compile(r"[0-9]{1,20}")
_KEY_IN_USE = "/problems/idempotency-key-in-use"
_RETRY_LATER = frozenset({408, 425, 429})
Payload = TypeVar("Payload", bound=BaseModel)


class _Peer:
    """One peer. Every failure to answer becomes PeerUnavailable, or TooLate where our own caller's time ran out; every
    refusal a problem that says who refused.
    """

    name: str
    missing: type[NotFound]
    field: str
    """In which field of our own request the peer's resource is named."""

    def __init__(self, session: ResilientSession, base_url: str, *, is_batch: bool = False) -> None:
        """is_batch: nobody waits for these calls; a busy peer serves others first."""
        self._session, self._base_url = session, base_url.rstrip("/")
        self._priority = {PRIORITY: BATCH} if is_batch else {}

    @asynccontextmanager
    async def _call(
        self,
        method: str,
        path: str,
        operation: str,
        ref: str,
        *,
        version_field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> AsyncIterator[ResilientResponse]:
        """`version_field`: in which field of our own request its version is named, if one is."""
        # Inner hops retry connect errors only: a request that was sent is not sent twice.
        call = self._session.request(
            method,
            self._base_url + path,
            operation=operation,
            policy=_CALLS[self.name, operation],
            dependency=self.name,
            idempotent=False,
            headers={**carried(), **(headers or {}), **self._priority},
            **request,
        )
        try:
            async with call as response:
                if response.status >= 300:
                    raise self._refusal(response, await response.read(), ref, version_field)
                yield response
        except CallFailed as error:
            if isinstance(error, DeadlineExceeded) and _is_callers_time_over():
                raise self._too_late() from error
            raise PeerUnavailable(
                f"the {self.name} service does not answer; try again later",
                retry_after_s=error.retry_after_s,
                peer=self.name,
            ) from error

    def _too_late(self) -> TooLate:
        return TooLate(f"the caller's time ran out before the {self.name} service answered")

    def _refusal(self, response: ResilientResponse, body: bytes, ref: str, version_field: str | None) -> ProblemError:
        problem = _problem(body)
        if response.status == 504 and _is_callers_time_over():
            return self._too_late()
        passing = response.status in _RETRY_LATER or (problem is not None and problem.type == _KEY_IN_USE)
        if response.status >= 500 or passing:
            return PeerUnavailable(
                f"the {self.name} service cannot answer now (status {response.status}); try again later",
                retry_after_s=_retry_after_s(response),
                peer=self.name,
            )
        detail = f"status {response.status}" if problem is None else problem.detail
        errors = [] if problem is None else problem.errors
        if response.status == 404:
            if version_field is not None and errors and errors[0].field in ("version", "query.version"):
                return self._missing(detail, version_field, errors[0].value)
            return self._missing(detail, self.field, ref)
        cause = None if problem is None else problem.type
        return PeerRefused(f"the {self.name} service refused: {detail}", errors=errors, peer=self.name, cause=cause)

    def _read_as(self, kind: type[Payload], body: bytes) -> Payload:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            raise PeerRefused(f"the {self.name} service answered what is no {kind.__name__}", peer=self.name) from error

    def _quoted(self, ref: str, what: str, field: str | None = None) -> str:
        """A reference as a path segment; what can be neither an id nor a name exists nowhere."""
        if not is_reference(ref):
            raise self._missing(f"{ref!r} is neither an id nor a name of a {what}", field or self.field, ref)
        return quote(ref, safe="")

    def _missing(self, message: str, field: str, ref: Any) -> NotFound:
        return self.missing(message, errors=[FieldProblem(field=field, value=ref, message=message)])


class DatasetClient(_Peer):
    """The dataset service. Raises DatasetNotFound, PeerUnavailable, PeerRefused, TooLate."""

    name, missing, field = "dataset", DatasetNotFound, "body.dataset_id"

    async def get(self, ref: str, version: str | None = None) -> Dataset:
        """A data set's metadata, by id or name; the newest version where none is named."""
        path = f"/api/v1/datasets/{self._quoted(ref, 'data set')}"
        field, query = "body.dataset_version", {} if version is None else {"version": self._number(version)}
        async with self._call("GET", path, "get", ref, version_field=field, params=query) as response:
            return self._read_as(Dataset, await response.read())

    async def download_rows(self, dataset_id: UUID, version: str, to: Path) -> None:
        """Write all rows of a version as an Arrow IPC stream to a file."""
        path, ref = f"/api/v1/datasets/{dataset_id}/rows", str(dataset_id)
        headers, query = {"accept": ARROW_STREAM}, {"version": version}
        async with self._call("GET", path, "rows", ref, headers=headers, params=query) as response:
            await _save(response, to)

    def _number(self, version: str) -> str:
        """What is no number is no version of a data set."""
        if not _VERSION.fullmatch(version):
            raise self._missing(
                f"a data set has no version {version!r}; they are numbers", "body.dataset_version", version
            )
        return version

    async def upload(self, rows: Path, *, name: str, description: str, target_column: str | None, key: str) -> Dataset:
        """Store a Parquet file as a new data set; the same key stores it once."""
        headers = {IDEMPOTENCY_KEY: key}
        with rows.open("rb") as content:
            form = aiohttp.FormData({"name": name, "description": description})
            if target_column is not None:
                form.add_field("target_column", target_column)
            form.add_field("file", content, filename=f"{name}.parquet", content_type=PARQUET)
            path = "/api/v1/datasets/upload"
            async with self._call("POST", path, "upload", name, headers=headers, data=form) as response:
                return self._read_as(Dataset, await response.read())


class ModelClient(_Peer):
    """The model service. Raises ModelNotFound, PeerUnavailable, PeerRefused, TooLate."""

    name, missing, field = "model", ModelNotFound, "body.model_id"

    async def version(self, ref: str, version: str | None, *, field: str = "body.version") -> ModelVersion:
        """A version by its number, id or alias; the latest where none is named. `field`: in which it was named."""
        path = f"/api/v1/models/{self._quoted(ref, 'model')}"
        if version is None:
            async with self._call("GET", path, "get", ref) as response:
                version = self._read_as(Model, await response.read()).latest_version
        if version is None:
            message = f"model {ref!r} has no version yet; register one or train its detector"
            raise self._missing(message, self.field, ref)
        path += f"/versions/{self._quoted(version, 'version', field)}"
        call = self._call("GET", path, "get", ref, version_field=field)
        async with call as response:
            return self._read_as(ModelVersion, await response.read())

    async def download_artefact(self, model_id: UUID, version: str, to: Path) -> None:
        """Write a version's signed archive to a file."""
        ref = f"{model_id} {version}"
        path = f"/api/v1/models/{model_id}/versions/{self._quoted(version, 'version')}/artefact"
        async with self._call("GET", path, "artefact", ref) as response:
            await _save(response, to)

    async def register(self, name: str, archive: bytes, *, key: str) -> ModelVersion:
        """Store an archive as the next version of a model; the same key stores it once."""
        headers = {IDEMPOTENCY_KEY: key, "content-type": ZIP}
        path = f"/api/v1/models/{self._quoted(name, 'model')}/versions"
        async with self._call("POST", path, "register", name, headers=headers, data=archive) as response:
            return self._read_as(ModelVersion, await response.read())


async def _save(response: ResilientResponse, to: Path) -> None:
    with to.open("wb") as file:
        async for chunk in response.iter_chunks():
            file.write(chunk)


def _is_callers_time_over() -> bool:
    """A peer is given less by a hop's allowance, and so is late that much before our own caller's end."""
    return remaining_s() <= 2 * HOP_ALLOWANCE_S


def _problem(body: bytes) -> Problem | None:
    """The peer's own problem; None where something between answered in its place."""
    try:
        return Problem.model_validate_json(body)
    except ValidationError:
        return None


def _retry_after_s(response: ResilientResponse) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 1.0
