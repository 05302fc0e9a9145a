"""A real database, keys, and peers that play their contracts."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from aiohttp import web
from detector_service import tables
from detector_service.repository import Repository
from detector_service.settings import Settings
from pydantic import BaseModel, SecretStr
from pynomaly_chassis.database import Database
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.migrations import migrate
from pynomaly_contracts.datasets import Column, Dataset
from pynomaly_contracts.models import Model, ModelVersion
from pynomaly_contracts.problems import FieldProblem, Problem
from pynomaly_scoring import TrustedKeys, generate_signing_key, open_artefact
from pynomaly_suite.postgres import DatabaseUrls
from pynomaly_suite.testing import TemporaryPostgres

MIGRATIONS = Path(tables.__file__).parent / "migrations"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TYPES: dict[str, Any] = {
    "int64": "integer",
    "double": "number",
    "bool": "boolean",
    "string": "string",
    "date32[day]": "date",
    "timestamp[us]": "datetime",
}


def _answer(payload: BaseModel, status: int = 200) -> web.Response:
    return web.Response(text=payload.model_dump_json(), status=status, content_type="application/json")


def _refusal(status: int, kind: str, detail: str, wrong: Sequence[FieldProblem] = ()) -> web.Response:
    problem = Problem(type=f"/problems/{kind}", title=kind, status=status, detail=detail, errors=list(wrong))
    return web.Response(text=problem.model_dump_json(), status=status, content_type="application/problem+json")


class Peers:
    """The dataset and the model service, on one port: they keep what they are given, and do as they are told."""

    def __init__(self, trusted: TrustedKeys) -> None:
        self.trusted = trusted
        self.datasets: dict[str, tuple[Dataset, pa.Table]] = {}
        self.versions: list[tuple[ModelVersion, bytes]] = []
        self.registered: dict[str, ModelVersion] = {}
        self.uploaded: dict[str, Dataset] = {}
        self.headers: list[dict[str, str]] = []
        self.n_row_requests = 0
        self.away = False
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.answer_gate = asyncio.Event()
        self.answer_gate.set()
        self._changed = asyncio.Condition()

    async def add_dataset(self, name: str, table: pa.Table, target: str | None = "label") -> Dataset:
        columns = [Column(name=field.name, type=TYPES[str(field.type)]) for field in table.schema]
        features = [c.name for c in columns if c.type in ("integer", "number") and c.name != target]
        facts = {"n_rows": table.num_rows, "n_features": len(features), "feature_columns": features}
        dataset = Dataset(
            id=new_id(),
            created_at=NOW,
            updated_at=NOW,
            name=name,
            version="1",
            columns=columns,
            target_column=target if target in table.schema.names else None,
            sha256="0" * 64,
            size_bytes=1,
            **facts,
        )
        self.datasets[name] = self.datasets[str(dataset.id)] = (dataset, table)
        return dataset

    async def until(self, is_so: Callable[["Peers"], bool]) -> None:
        """Looked at whenever a request has arrived."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: is_so(self))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application(middlewares=[self._first], client_max_size=2**26)
        app.add_routes(
            [
                web.get("/api/v1/datasets/{ref}", self._dataset),
                web.get("/api/v1/datasets/{ref}/rows", self._rows),
                web.post("/api/v1/datasets/upload", self._upload),
                web.get("/api/v1/models/{ref}", self._model),
                web.get("/api/v1/models/{ref}/versions/{version}", self._version),
                web.get("/api/v1/models/{ref}/versions/{version}/artefact", self._artefact),
                web.post("/api/v1/models/{ref}/versions", self._register),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.open_gate.set()
        self.answer_gate.set()
        await runner.cleanup()

    @web.middleware
    async def _first(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.away:
            return _refusal(503, "unavailable", "away")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _dataset(self, request: web.Request) -> web.Response:
        ref = request.match_info["ref"]
        if ref not in self.datasets:
            return _refusal(404, "dataset-not-found", f"no data set {ref!r}")
        dataset = self.datasets[ref][0]
        version = request.query.get("version", dataset.version)
        if version != dataset.version:
            wrong = FieldProblem(field="query.version", message="no such version", value=version)
            return _refusal(404, "version-not-found", "no such version", [wrong])
        return _answer(dataset)

    async def _rows(self, request: web.Request) -> web.Response:
        ref = request.match_info["ref"]
        assert request.headers["accept"] == "application/vnd.apache.arrow.stream"
        assert request.query["version"] == "1"
        self.n_row_requests += 1
        await self._tell()
        await self.open_gate.wait()
        if ref not in self.datasets:
            return _refusal(404, "dataset-not-found", f"no data set {ref!r}")
        table, sink = self.datasets[ref][1], io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
        return web.Response(body=sink.getvalue(), content_type="application/vnd.apache.arrow.stream")

    async def _upload(self, request: web.Request) -> web.Response:
        form, key = await request.post(), request.headers["idempotency-key"]
        content = form["file"]
        assert isinstance(content, web.FileField)
        if key not in self.uploaded:
            table = pq.read_table(io.BytesIO(content.file.read()))
            target = form.get("target_column")
            self.uploaded[key] = await self.add_dataset(str(form["name"]), table, str(target) if target else None)
        await self._tell()
        await self.answer_gate.wait()
        return _answer(self.uploaded[key], 201)

    async def _register(self, request: web.Request) -> web.Response:
        archive, key = await request.read(), request.headers["idempotency-key"]
        assert request.content_type == "application/zip"
        if key not in self.registered:
            self.registered[key] = self._add_version(request.match_info["ref"], archive)
        elif self._archive_of(self.registered[key]) != archive:
            return _refusal(422, "idempotency-key-reused", "other content")
        await self._tell()
        await self.answer_gate.wait()
        return _answer(self.registered[key], 201)

    def _add_version(self, name: str, archive: bytes) -> ModelVersion:
        manifest = open_artefact(archive, trusted=self.trusted).manifest
        known = [version for version, _ in self.versions if version.model_name == name]
        version = ModelVersion(
            id=new_id(),
            created_at=NOW,
            updated_at=NOW,
            model_id=known[0].model_id if known else new_id(),
            model_name=name,
            version=str(len(known) + 1),
            algorithm=manifest.algorithm,
            parameters=dict(manifest.parameters),
            feature_names=list(manifest.feature_names),
            contamination=manifest.contamination,
            threshold=manifest.threshold,
            threshold_interval=manifest.threshold_interval,
            metrics=dict(manifest.metrics),
            n_train=manifest.n_train,
            dataset_id=UUID(manifest.dataset_id),
            dataset_version=manifest.dataset_version,
            seed=manifest.seed,
            data_digest=manifest.data_digest,
            digest="0" * 64,
            n_bytes=len(archive),
            signed_by="0" * 64,
            versions=dict(manifest.versions),
        )
        self.versions.append((version, archive))
        return version

    def _archive_of(self, version: ModelVersion) -> bytes:
        return next(archive for known, archive in self.versions if known.id == version.id)

    def _versions_of(self, request: web.Request) -> list[tuple[ModelVersion, bytes]]:
        ref = request.match_info["ref"]
        return [item for item in self.versions if ref in (item[0].model_name, str(item[0].model_id))]

    async def _model(self, request: web.Request) -> web.Response:
        found = self._versions_of(request)
        if not found:
            return _refusal(404, "model-not-found", "no such model")
        last = found[-1][0]
        model = Model(
            id=last.model_id,
            created_at=NOW,
            updated_at=NOW,
            name=last.model_name,
            latest_version=last.version,
            aliases={},
            is_default=False,
        )
        return _answer(model)

    async def _version(self, request: web.Request) -> web.Response:
        wanted = request.match_info["version"]
        for version, _ in self._versions_of(request):
            if wanted in (version.version, str(version.id)):
                return _answer(version)
        message = f"no version {wanted!r}"
        wrong = FieldProblem(field="version", value=wanted, message=message)
        return _refusal(404, "not-found", message, [wrong])

    async def _artefact(self, request: web.Request) -> web.Response:
        wanted = request.match_info["version"]
        archive = next(a for version, a in self._versions_of(request) if version.version == wanted)
        return web.Response(body=archive, content_type="application/zip")


def rows(n_rows: int = 240, n_anomalies: int = 12, seed: int = 7) -> pa.Table:
    """Two numeric columns, a text and a label; the anomalies are far out."""
    random = np.random.default_rng(seed)
    label = np.zeros(n_rows, np.int64)
    label[:n_anomalies] = 1
    points = random.normal(size=(n_rows, 2)) + 8.0 * label[:, np.newaxis]
    names = [f"row {index}" for index in range(n_rows)]
    return pa.table({"a": points[:, 0], "b": points[:, 1], "name": names, "label": label})


@pytest.fixture
def make_rows() -> Callable[..., pa.Table]:
    return rows


@pytest.fixture(scope="session")
def database_urls(postgres: TemporaryPostgres) -> DatabaseUrls:
    urls = postgres.database("detector")
    settings = Settings(database_url=SecretStr(urls.app_url), migration_database_url=SecretStr(urls.owner_url))
    migrate(settings, MIGRATIONS)
    return urls


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    private, public = folder / "signing.pem", folder / "signing.pub"
    generate_signing_key(private, public)
    return private, public


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """As the worker's role, with empty tables."""
    opened = Database.open(Settings(database_url=SecretStr(database_urls.worker_url), database_pool_size=20))
    async with opened.transaction() as connection:
        for table in (
            tables.jobs,
            tables.job_store.turns,
            tables.job_store.workers,
            tables.evaluations,
            tables.detectors,
            tables.idempotency_keys,
        ):
            await connection.execute(sa.delete(table))
    yield opened
    await opened.close()


@pytest.fixture
def repository(database: Database) -> Repository:
    return Repository(database)


@pytest.fixture
async def peers(keys: tuple[Path, Path]) -> Peers:
    return Peers(TrustedKeys.load(keys[1]))
