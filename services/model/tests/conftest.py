"""Small signed models, and the service over a real PostgreSQL and a local object store."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import model_signing.hashing
import model_signing.signing
import numpy as np
import onnx
import pytest
from fastapi import FastAPI
from model_service.__main__ import MIGRATIONS
from model_service.app import create_app
from model_service.settings import Settings
from onnx import TensorProto, helper, numpy_helper
from pynomaly_chassis.migrations import migrate
from pynomaly_scoring import InputColumn, Manifest, ScoreDistribution, generate_signing_key, pack
from pynomaly_suite.postgres import DatabaseUrls
from pynomaly_suite.testing import TemporaryPostgres

FEATURES = ("age", "tsh", "t3")
OUTPUTS = {
    "raw_score": TensorProto.DOUBLE,
    "prediction": TensorProto.DOUBLE,
    "is_anomaly": TensorProto.BOOL,
    "confidence": TensorProto.DOUBLE,
}
MakeArtefact = Callable[..., bytes]
MakeApp = Callable[..., FastAPI]
MakeSettings = Callable[..., Settings]
Client = httpx.AsyncClient
Register = Callable[..., Awaitable[dict[str, Any]]]
RegisterAt = Callable[..., Awaitable[dict[str, Any]]]
Until = Callable[[Client, dict[str, Any], Callable[[httpx.Response], bool]], Awaitable[None]]
Predict = Callable[..., Awaitable[httpx.Response]]


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    constants: dict[str, Any],
) -> onnx.ModelProto:
    """A graph that makes `raw_score`; prediction is its sigmoid; anomalous over 1; confidence = prediction / 2."""
    nodes = [
        *nodes,
        helper.make_node("Sigmoid", ["raw_score"], ["prediction"]),
        helper.make_node("Greater", ["raw_score", "threshold"], ["is_anomaly"]),
        helper.make_node("Mul", ["prediction", "half"], ["confidence"]),
    ]
    constants = {**constants, "axis": np.array([1]), "threshold": np.array(1.0), "half": np.array(0.5)}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "sum",
            inputs,
            [helper.make_tensor_value_info(name, kind, ["n_rows"]) for name, kind in OUTPUTS.items()],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)],
        ir_version=10,
    )


def graph(*, n_features: int, slope: float, ballast_bytes: int = 0) -> onnx.ModelProto:
    """raw_score = slope x the sum of the row."""
    nodes = [
        helper.make_node("MatMul", ["numeric", "weights"], ["sums"]),
        helper.make_node("Squeeze", ["sums", "axis"], ["raw_score"]),
    ]
    constants: dict[str, Any] = {"weights": np.full((n_features, 1), slope)}
    if ballast_bytes:
        constants["ballast"] = np.zeros(ballast_bytes, np.uint8)
    numeric = helper.make_tensor_value_info("numeric", TensorProto.DOUBLE, ["n_rows", n_features])
    return _model(nodes, [numeric], constants)


def mixed_graph() -> onnx.ModelProto:
    """raw_score = age (missing: 7) + 10 x smokes + days of born and of seen + 1,000 for Oslo, 2,000 for Rome."""
    nodes = [
        helper.make_node("IsNaN", ["numeric"], ["missing"]),
        helper.make_node("Where", ["missing", "seven", "numeric"], ["filled"]),
        helper.make_node("MatMul", ["filled", "weights"], ["sums"]),
        helper.make_node(
            "LabelEncoder",
            ["text"],
            ["city"],
            domain="ai.onnx.ml",
            keys_strings=["Oslo", "Rome"],
            values_floats=[1000.0, 2000.0],
            default_float=0.0,
        ),
        helper.make_node("Cast", ["city"], ["code"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["sums", "code"], ["total"]),
        helper.make_node("Squeeze", ["total", "axis"], ["raw_score"]),
    ]
    inputs = [
        helper.make_tensor_value_info("numeric", TensorProto.DOUBLE, ["n_rows", 4]),
        helper.make_tensor_value_info("text", TensorProto.STRING, ["n_rows", 1]),
    ]
    days = 1 / 86_400
    return _model(nodes, inputs, {"seven": np.array(7.0), "weights": np.array([[1.0], [10.0], [days], [days]])})


MIXED = (
    InputColumn(name="age", accepts_missing=True),
    InputColumn(name="city", type="string", categories=("Oslo", "Rome")),
    InputColumn(name="smokes", type="boolean"),
    InputColumn(name="born", type="date"),
    InputColumn(name="seen", type="datetime"),
)


def manifest(features: tuple[str, ...]) -> Manifest:
    return Manifest(
        algorithm="IForest",
        parameters={"n_estimators": 100},
        feature_names=features,
        n_features=len(features),
        contamination=0.1,
        threshold=1.0,
        n_train=100,
        seed=0,
        data_digest="ab" * 32,
        dataset_id="0197a000-0000-7000-8000-000000000000",
        dataset_version="1",
        score_distribution=ScoreDistribution(min=-1.0, max=2.5, mean=0.1, std=0.3, quantiles={"0.5": 0.1}),
        versions={"pyod": "3.6.7"},
    )


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    generate_signing_key(folder / "secret.pem", folder / "trusted" / "key.pem")
    return folder


@pytest.fixture(scope="session")
def make_artefact(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeArtefact:
    """Signed artefacts; `slope` tells them apart. Further keywords say otherwise what the manifest says."""
    made: dict[tuple[object, ...], bytes] = {}

    def make(
        slope: float = 1.0,
        *,
        features: tuple[str, ...] = FEATURES,
        ballast_bytes: int = 0,
        key: Path = keys / "secret.pem",
        model: bytes | None = None,
        **described: Any,
    ) -> bytes:
        wanted = slope, features, ballast_bytes, key, model, json.dumps(described)
        if wanted not in made:
            content = (
                model or graph(n_features=len(features), slope=slope, ballast_bytes=ballast_bytes).SerializeToString()
            )
            told = json.loads(manifest(features).to_json()) | described
            files = {
                "model.onnx": content,
                "manifest.json": json.dumps(told, sort_keys=True, separators=(",", ":")).encode(),
            }
            made[wanted] = pack({**files, "model.sig": sign(files, key, tmp_path_factory.mktemp("artefact"))})
        return made[wanted]

    return make


@pytest.fixture(scope="session")
def mixed() -> dict[str, Any]:
    """What `register` takes for a model of raw columns: a number that may be missing, a text, a flag, two dates."""
    names = tuple(column.name for column in MIXED)
    return {
        "features": names,
        "columns": [asdict(column) for column in MIXED],
        "model": mixed_graph().SerializeToString(),
    }


def sign(files: dict[str, bytes], key: Path, folder: Path) -> bytes:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    signature = folder / "model.sig"
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=[signature])
    config = model_signing.signing.Config().set_hashing_config(hashing)
    config.use_elliptic_key_signer(private_key=key).sign(folder, signature)
    return signature.read_bytes()


@pytest.fixture(scope="session")
def urls(postgres: TemporaryPostgres, keys: Path) -> DatabaseUrls:
    """One migrated database for all tests; each test is a tenant's whole world only through its own names."""
    found = postgres.database("model")
    migrate(settings_for(found, keys, keys), MIGRATIONS)
    return found


def settings_for(urls: DatabaseUrls, keys: Path, storage: Path, **more: object) -> Settings:
    values: dict[str, object] = {
        "database_url": urls.app_url,
        "migration_database_url": urls.owner_url,
        "trusted_keys_path": keys / "trusted",
        "storage_path": storage,
        "grpc_port": 0,
        # A busy machine is no outage and no crowd.
        "model_resolve_timeout_s": 60,
        "max_queue_wait_s": 60,
    }
    return Settings.model_validate({**values, **more})


@pytest.fixture
def make_settings(urls: DatabaseUrls, keys: Path, tmp_path: Path) -> MakeSettings:
    return lambda **more: settings_for(urls, keys, tmp_path, **more)


@pytest.fixture
def make_app(make_settings: MakeSettings) -> MakeApp:
    """Applications over the same database and store: replicas."""
    return lambda **more: create_app(make_settings(**more))


@pytest.fixture
async def app(make_app: MakeApp) -> AsyncIterator[FastAPI]:
    made = make_app()
    async with made.router.lifespan_context(made):
        yield made


def client_of(app: FastAPI) -> Client:
    transport = httpx.ASGITransport(app)
    return Client(transport=transport, base_url="http://model", timeout=30)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[Client]:
    async with client_of(app) as opened:
        yield opened


@pytest.fixture(scope="session")
def numbers() -> "itertools.count[int]":
    return itertools.count(1)


@pytest.fixture
def name(numbers: "itertools.count[int]") -> str:
    """A model name that no other test uses."""
    return f"model-{next(numbers)}"


@pytest.fixture
def register_at(make_artefact: MakeArtefact, name: str) -> RegisterAt:
    """Registers the next version of this test's model by a client and gives it."""

    async def registered(client: Client, slope: float = 1.0, **more: Any) -> dict[str, Any]:
        answer = await client.post(
            f"/api/v1/models/{name}/versions",
            content=make_artefact(slope, **more),
            headers={"content-type": "application/zip"},
        )
        assert answer.status_code == 201, answer.text
        version: dict[str, Any] = answer.json()
        return version

    return registered


@pytest.fixture
def register(client: Client, register_at: RegisterAt) -> Register:
    """Registers the next version of this test's model and gives it."""
    return partial(register_at, client)


@pytest.fixture
def predict(client: Client, name: str) -> Predict:
    """Scores one row, [1, 2, 3] unless told otherwise, with this test's model unless told otherwise."""

    async def predicted(data: Any = (1.0, 2.0, 3.0), **more: Any) -> httpx.Response:
        return await client.post("/api/v1/predict", json={"data": data, "model_id": name, **more})

    return predicted


@pytest.fixture
def make_client() -> Callable[[FastAPI], AbstractAsyncContextManager[Client]]:
    """A client of an application that runs meanwhile."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[Client]:
        async with app.router.lifespan_context(app), client_of(app) as client:
            yield client

    return running


@pytest.fixture
def until() -> Until:
    """Waits until a client's answer to one row is as wanted, asking the database between any two looks."""

    async def waited(client: Client, body: dict[str, Any], wanted: Callable[[httpx.Response], bool]) -> None:
        async with asyncio.timeout(15):
            while not wanted(await client.post("/api/v1/predict", json=body)):
                await client.get("/health/db")

    return waited


@pytest.fixture
def eventually(client: Client) -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Waits until something is so, asking the database between any two looks."""

    async def waited(is_so: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await is_so():
                await client.get("/health/db")

    return waited


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signing key that nobody trusts."""
    folder = tmp_path_factory.mktemp("stranger")
    generate_signing_key(folder / "secret.pem", folder / "public.pem")
    return folder / "secret.pem"


@pytest.fixture(scope="session")
def twisted() -> bytes:
    """A graph that uses a value before it is made: ONNX wants nodes sorted."""
    model = graph(n_features=3, slope=1.0)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    return model.SerializeToString()


@pytest.fixture(scope="session")
def endless() -> bytes:
    """A graph whose scores are not numbers."""
    return graph(n_features=3, slope=float("nan")).SerializeToString()
