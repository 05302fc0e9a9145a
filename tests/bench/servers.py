"""The peers: how each is installed, given the forest, started and asked."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dialects import BENTOML, KSERVE, MLFLOW, MLSERVER, Dialect
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".bench"
PEERS = Path(__file__).parent / "peers"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Launch:
    """What starting a server needs: a folder of its own, the folder of its forest, and three ports."""

    folder: Path
    forest: Path
    ports: tuple[int, int, int]


@dataclass(frozen=True)
class Peer:
    """A server of somebody else, in one of its two ways. argv: the command, its program in the environment's bin."""

    name: str
    tuned: str
    environment: str
    dialect: Dialect
    argv: Callable[[Launch], list[str]]
    prepare: Callable[[Launch], None] = lambda _: None

    @property
    def label(self) -> str:
        return f"{self.name}, tuned" if self.tuned else self.name

    @property
    def bin(self) -> Path:
        return ENVIRONMENTS / self.environment / "bin"

    def command(self, launch: Launch) -> list[str]:
        program, *arguments = self.argv(launch)
        return [str(self.bin / program), *arguments]

    def variables(self, launch: Launch) -> dict[str, str]:
        """Its environment variables: its own programs first, our module of the forest, no telemetry."""
        return {
            **os.environ,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PEERS),
            "FOREST": str(launch.forest / "forest.joblib"),
            "BENTOML_DO_NOT_TRACK": "True",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }


def install(name: str) -> None:
    """The peer's environment in .bench/, as peers/NAME.txt pins it; quick where it is there."""
    python, wanted = ENVIRONMENTS / name / "bin" / "python", PEERS / f"{name}.txt"
    done = ENVIRONMENTS / name / "installed.txt"
    if done.exists() and done.read_text() == wanted.read_text():
        return
    print(f"Installing {name} into {python.parents[1]} ...", file=sys.stderr, flush=True)
    uv = shutil.which("uv") or str(ROOT / ".tools" / "uv" / "bin" / "uv")
    subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(python.parents[1])], check=True)
    subprocess.run([uv, "pip", "sync", "-q", "--python", str(python), str(wanted)], check=True)
    done.write_text(wanted.read_text())


def forest_of(environment: str, rows: NDArray[np.float64], names: Sequence[str]) -> Path:
    """A folder with the forest, trained in the peer's own environment and saved as it asks; kept for the next run."""
    digest = hashlib.sha256(rows.tobytes() + (PEERS / "forest.py").read_bytes()).hexdigest()
    folder = ENVIRONMENTS / environment / f"forest-{digest[:16]}"
    if not folder.exists():
        made = folder.with_suffix(".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        np.save(made / "rows.npy", rows)
        (made / "names.json").write_text(json.dumps(list(names)))
        _save(environment, made)
        made.rename(folder)
    return folder


def _save(environment: str, folder: Path) -> None:
    """By the peer's own program where there is one."""
    programs = [PEERS / "forest.py", PEERS / f"{environment}_save.py"]
    variables = {**os.environ, "PYTHONPATH": str(PEERS), "MLFLOW_DISABLE_TELEMETRY": "true"}
    for program in programs:
        if program.exists():
            command = [str(ENVIRONMENTS / environment / "bin" / "python"), str(program), str(folder)]
            subprocess.run(command, check=True, env=variables, stderr=subprocess.DEVNULL)


def _mlserver(batching: dict[str, object], **server: object) -> Callable[[Launch], None]:
    def prepare(launch: Launch) -> None:
        http, grpc, metrics = launch.ports
        ports = {"host": HOST, "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
        (launch.folder / "settings.json").write_text(json.dumps({**ports, **server}))
        parameters = {"uri": str(launch.forest / "forest.joblib"), "version": "1"}
        model = {"name": "forest", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": parameters}
        (launch.folder / "model-settings.json").write_text(json.dumps({**model, **batching}))

    return prepare


def _mlserver_argv(launch: Launch) -> list[str]:
    return ["mlserver", "start", str(launch.folder)]


def _mlflow(*options: str) -> Callable[[Launch], list[str]]:
    def argv(launch: Launch) -> list[str]:
        model = str(launch.forest / "model")
        return [
            *("mlflow", "models", "serve", "-m", model, "--env-manager", "local"),
            *("-h", HOST, "-p", str(launch.ports[0]), *options),
        ]

    return argv


def _bentoml(service: str) -> Callable[[Launch], list[str]]:
    def argv(launch: Launch) -> list[str]:
        target = f"bentoml_service:{service}"
        return ["bentoml", "serve", target, "--host", HOST, "--port", str(launch.ports[0]), "--working-dir", str(PEERS)]

    return argv


def _kserve(*options: str) -> Callable[[Launch], list[str]]:
    def argv(launch: Launch) -> list[str]:
        http, grpc, _ = map(str, launch.ports)
        forest = str(launch.forest / "forest.joblib")
        program = str(PEERS / "kserve_server.py")
        return ["python", program, "--forest", forest, "--http_port", http, "--grpc_port", grpc, *options]

    return argv


_BATCHING: dict[str, object] = {"max_batch_size": 32, "max_batch_time": 0.002}
ALL = (
    Peer("MLServer", "", "mlserver", MLSERVER, _mlserver_argv, _mlserver({})),
    Peer("MLflow", "", "mlflow", MLFLOW, _mlflow()),
    Peer("BentoML", "", "bentoml", BENTOML, _bentoml("ForestService")),
    Peer("KServe", "", "kserve", KSERVE, _kserve()),
    Peer(
        "MLServer",
        "adaptive batching of 32 rows or 2 ms, no inference pool",
        "mlserver",
        MLSERVER,
        _mlserver_argv,
        _mlserver(_BATCHING, parallel_workers=0),
    ),
    Peer("MLflow", "2 workers", "mlflow", MLFLOW, _mlflow("--workers", "2")),
    Peer("BentoML", "adaptive batching of 100 rows", "bentoml", BENTOML, _bentoml("BatchingService")),
    Peer(
        "KServe",
        "no gRPC, no latency logging",
        "kserve",
        KSERVE,
        _kserve("--enable_grpc", "false", "--enable_latency_logging", "false"),
    ),
)
