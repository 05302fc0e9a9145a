"""Where the works take place: the suite and the peers on one core, the load generator on the other."""

import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cores
import numpy as np
import psutil
from dialects import MODEL, OURS_ONE, Dialect, Matrix, Vector
from generator import Figures, Generator
from load import Turn
from pynomaly import Client
from pynomaly_suite import Ports, Suite, suite_running
from pynomaly_suite.children import Child, Children, Command
from servers import ALL, HOST, Launch, Peer, forest_of, install

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
N_COLUMNS = 20
OURS = "Pynomaly"
MIB = 2**20
START_TIMEOUT_S = 120.0
REST_S, REST_SHARE = 0.5, 0.05


@dataclass(frozen=True)
class Rival:
    """A peer that runs."""

    peer: Peer
    launch: Launch
    child: Child

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.launch.ports[0]}"


@dataclass(frozen=True)
class Stage:
    """rows: what the forest was trained on, (1831, 20), with their columns' names."""

    quick: bool
    suite: Suite
    client: Client
    generator: Generator
    children: Children
    folder: Path
    rows: Matrix
    names: list[str]
    rivals: dict[str, Rival] = field(default_factory=dict)

    @property
    def model_url(self) -> str:
        """Of the model service, without the gateway."""
        return self.suite.ports.url("model")

    def sample(self, n_rows: int) -> Matrix:
        """Rows drawn from the training data, the same each time."""
        return self.rows[np.random.default_rng(0).integers(len(self.rows), size=n_rows)]

    def drawn(self, n_rows: int, seed: int = 0) -> Matrix:
        """Rows from a normal distribution with the training data's means and covariances, to three decimals."""
        centre, spread = self.rows.mean(axis=0), np.cov(self.rows, rowvar=False)
        found: Matrix = np.random.default_rng(seed).multivariate_normal(centre, spread, size=n_rows).round(3)
        return found

    def turn(self, url: str, dialect: Dialect, rows: Matrix, **how: float) -> Turn:
        """Requests about these rows at this address; quicker where the whole run is."""
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".body")
        with os.fdopen(handle, "wb") as file:
            file.write(dialect.body(rows, self.names))
        seconds = 0.3 if self.quick else how.pop("seconds", 1.0)
        return Turn(url + dialect.path, (name,), dialect.headers, **{**how, "seconds": seconds})  # type: ignore[arg-type]

    def compared(self, ours: Dialect, rows: Matrix, rivals: Mapping[str, Rival], **how: int) -> dict[str, Figures]:
        """Our figures and those of peers for the same rows."""
        return self.interleaved({OURS: ours}, rows, rivals, **how)

    def interleaved(
        self, ours: Mapping[str, Dialect], rows: Matrix, rivals: Mapping[str, Rival], *, rounds: int = 5, **how: float
    ) -> dict[str, Figures]:
        """As `compared`, in several ways of ours, by label. All are seen to give the same scores before."""
        asked = {label: (self.model_url, dialect) for label, dialect in ours.items()}
        asked |= {label: (each.url, each.peer.dialect) for label, each in rivals.items()}
        self._check_same(asked, rows[: 1 if OURS_ONE in ours.values() else 20])
        turns = {label: self.turn(url, dialect, rows, **how) for label, (url, dialect) in asked.items()}
        pids = {label: rivals[label].child.pid if label in rivals else self.suite.pid_of("model") for label in asked}
        return self.generator.interleaved(
            turns, min(rounds, 2) if self.quick else rounds, lambda label: tree_cpu_s(pids[label])
        )

    def _check_same(self, asked: Mapping[str, tuple[str, Dialect]], rows: Matrix) -> None:
        found = {label: self.scores(url, dialect, rows) for label, (url, dialect) in asked.items()}
        first = next(iter(found.values()))
        for label, scores in found.items():
            np.testing.assert_allclose(scores, first, rtol=1e-6, err_msg=f"{label} scores otherwise")

    def scores(self, url: str, dialect: Dialect, rows: Matrix) -> Vector:
        """What a server says of the rows."""
        return dialect.scores(post(url + dialect.path, dialect.body(rows, self.names), dialect.headers))

    def until_first_answer(self, url: str, dialect: Dialect, who: str) -> None:
        """Ask about one row until there is a score. Raises ProcessDied, NotReady."""

        def answers() -> bool:
            try:
                return len(self.scores(url, dialect, self.rows[:1])) == 1
            except (OSError, ValueError, KeyError):  # nobody listens yet, or the model is not loaded yet
                return False

        self.children.until(answers, timeout_s=START_TIMEOUT_S, what=who)

    def trained(self, name: str, algorithm: str, rows: Matrix, **parameters: object) -> None:
        """A model of this name, trained by the suite."""
        dataset = self.client.datasets.upload(rows, name=name, columns=column_names(rows))
        detector = self.client.detectors.create(name, algorithm=algorithm, parameters=parameters or None)
        self.client.detectors.train(detector.id, dataset.id).wait(progress=False)


def post(url: str, body: bytes, headers: str) -> bytes:
    """One request's answer. Raises urllib.error.HTTPError."""
    pairs = dict(line.split(": ", 1) for line in headers.split("\r\n") if line)
    with urllib.request.urlopen(urllib.request.Request(url, body, pairs), timeout=60) as answer:
        found: bytes = answer.read()
        return found


def column_names(rows: Matrix) -> list[str]:
    return [f"f{i + 1}" for i in range(rows.shape[1])]


def tree_cpu_s(pid: int) -> float:
    """Processor time that a process and its children have used until now."""
    process = psutil.Process(pid)
    used = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in used))


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and its children: all of the largest, and what each other has to itself."""
    process = psutil.Process(pid)
    found = [each.memory_full_info() for each in (process, *process.children(recursive=True))]
    largest = max(found, key=lambda each: int(each.rss))
    return int(largest.rss) + sum(int(each.uss) for each in found if each is not largest)


def until_at_rest(pid: int) -> None:
    """Until a process and its children compute next to nothing: a worker's child in reserve has read its libraries."""
    before, now = 0.0, tree_cpu_s(pid)
    while now - before > REST_SHARE * REST_S:
        time.sleep(REST_S)
        before, now = now, tree_cpu_s(pid)


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever had resident; where the kernel does not tell, what it has now."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return int(psutil.Process(pid).memory_info().rss)
    return int(status.read_text("ascii").split("VmHWM:")[1].split()[0]) * 1024


@contextmanager
def stage_set(*, quick: bool, with_peers: bool, wanted: Sequence[str] = ()) -> Iterator[Stage]:
    """The suite with the forest "bench", and the peers with the same."""
    rows = np.loadtxt(EXAMPLES / "cardio.csv", delimiter=",", skiprows=1)[:, :N_COLUMNS]
    if with_peers:
        for environment in dict.fromkeys(peer.environment for peer in ALL):
            install(environment)
            forest_of(environment, rows, column_names(rows))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pynomaly-bench-")))
        folder.chmod(0o711)  # as root, PostgreSQL runs as another account
        suite = stack.enter_context(suite_running(folder / "home"))
        pin(suite)
        client = stack.enter_context(Client(url=suite.url))
        generator, children = stack.enter_context(Generator()), stack.enter_context(Children())
        stage = Stage(quick, suite, client, generator, children, folder, rows, column_names(rows))
        stage.trained(MODEL, "IForest", rows)
        if with_peers:
            _start_peers(stage)
        yield stage


def pin(suite: Suite) -> None:
    """This process and all that it starts from now on to the servers' core; what serves is started again there."""
    cores.pin(cores.SERVERS)
    for name in ("model", "gateway"):
        suite.restart(name)


def _start_peers(stage: Stage) -> None:
    for peer in ALL:
        launch = prepared(stage, peer)
        stage.rivals[peer.label] = Rival(peer, launch, started(stage.children, peer, launch))
    for rival in stage.rivals.values():
        stage.until_first_answer(rival.url, rival.peer.dialect, rival.peer.label)


def prepared(stage: Stage, peer: Peer) -> Launch:
    """A folder for a start of the peer, with its settings."""
    forest = forest_of(peer.environment, stage.rows, stage.names)
    launch = Launch(Path(tempfile.mkdtemp(dir=stage.folder)), forest, _free_ports())
    peer.prepare(launch)
    return launch


def _free_ports() -> tuple[int, int, int]:
    ports = Ports.free()
    return ports.dataset, ports.detector, ports.model


def started(children: Children, peer: Peer, launch: Launch) -> Child:
    log = launch.folder / "server.log"
    return children.spawn(Command(peer.label, tuple(peer.command(launch)), peer.variables(launch), log))
