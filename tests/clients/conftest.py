"""Clients that others wrote, each in an environment of its own, and a model to ask."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from pynomaly import Client
from pynomaly_suite import Suite

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "build" / "clients"
HERE = Path(__file__).parent
NAMES = [f"f{i}" for i in range(5)]
RAW_ROWS: list[dict[str, Any]] = [
    {"amount": 0.5, "country": "de"},
    {"amount": None, "country": "it"},
    {"amount": -9.0, "country": "nowhere"},
]
Ask = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> list[list[float]]:
    return np.random.default_rng(1).normal(size=(7, len(NAMES))).tolist()  # type: ignore[no-any-return] # numpy's


@pytest.fixture(scope="module")
def model(suite: Suite) -> Iterator[str]:
    """A detector of 200 rows, also the default model, so that those that name none are answered."""
    with Client(suite.url) as client:
        table = np.random.default_rng(0).normal(size=(200, len(NAMES)))
        dataset = client.datasets.upload(table, name="plain", columns=NAMES)
        detector = client.detectors.create("plain", algorithm="IForest")
        client.detectors.train(detector.id, dataset.id).wait(progress=False)
        client.models.set_default("plain")
        client.models.load("plain")
        yield "plain"


@pytest.fixture(scope="module")
def raw_model(suite: Suite) -> Iterator[str]:
    """A detector of texts, and of numbers of which some are missing."""
    random = np.random.default_rng(0)
    countries = random.choice(["de", "fr", "it"], size=200, p=[0.6, 0.35, 0.05]).tolist()
    table = [{"amount": amount, "country": c} for amount, c in zip(random.normal(size=200), countries, strict=True)]
    table[7]["amount"] = None
    with Client(suite.url) as client:
        dataset = client.datasets.upload(table, name="raw")
        preprocessing = {"missing": "median", "categories": "onehot"}
        detector = client.detectors.create("raw", algorithm="HBOS", preprocessing=preprocessing)
        client.detectors.train(detector.id, dataset.id).wait(progress=False)
        yield "raw"


@pytest.fixture(scope="module")
def own_of_raw(suite: Suite, raw_model: str) -> dict[str, list[Any]]:
    """What our SDK says of the rows with texts."""
    with Client(suite.url) as client:
        rows = client.predict_batch(RAW_ROWS, model_id=raw_model).predictions
    return {"raw_score": [row.raw_score for row in rows], "is_anomaly": [row.is_anomaly for row in rows]}


@pytest.fixture(scope="module")
def own(suite: Suite, model: str, rows: list[list[float]]) -> dict[str, list[Any]]:
    """What our SDK says of the rows, by output."""
    with Client(suite.url) as client:
        answer = client.predict_batch(rows, model_id=model, return_confidence=True)
    return {
        name: [getattr(row, name) for row in answer.predictions]
        for name in ("raw_score", "prediction", "is_anomaly", "confidence")
    }


@pytest.fixture(scope="module")
def ask(suite: Suite, model: str, raw_model: str, rows: list[list[float]]) -> Ask:
    """What one of the programs in theirs/ prints, run once in its client's environment."""
    address = urlsplit(suite.ports.url("model"))
    given = {
        "url": address.geturl(),
        "host": address.netloc,
        "hostname": address.hostname,
        "port": address.port,
        "grpc_host": f"{address.hostname}:{suite.ports.grpc}",
        "model": model,
        "raw_model": raw_model,
        "raw_rows": RAW_ROWS,
        "names": NAMES,
        "rows": rows,
    }

    @cache
    def run(program: str) -> dict[str, Any]:
        python = environment(program.partition("_")[0])
        command = [str(python), str(HERE / "theirs" / f"{program}.py")]
        ended = subprocess.run(
            command, input=json.dumps(given), capture_output=True, text=True, timeout=100, check=False
        )
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return found

    return run


def environment(client: str) -> Path:
    """The interpreter of the environment that CLIENT.txt pins, in build/clients; made at its first use."""
    folder, wanted = ENVIRONMENTS / client, HERE / f"{client}.txt"
    python, done = folder / "bin" / "python", folder / "installed.txt"
    if not done.exists() or done.read_text() != wanted.read_text():
        uv = shutil.which("uv") or str(ROOT / ".tools" / "uv" / "bin" / "uv")
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "sync", "-q", "--python", str(python), str(wanted)], check=True)
        done.write_text(wanted.read_text())
    return python
