"""From starting a server to its first answer, and the memory it then has."""

import statistics
import sys
import time

import psutil
from dialects import OURS_ONE, Dialect
from figures import Bar, Outcome, markdown
from pynomaly_suite import Ports
from pynomaly_suite.children import Child, Command
from servers import ALL, HOST
from stage import MIB, OURS, Rival, Stage, prepared, started, tree_bytes

WANTED = 2  # times better than the best peer
Start = tuple[float, float]


def measure(stage: Stage) -> Outcome:
    """Medians of starts in turn: seconds, MiB."""
    peers = [peer for peer in ALL if not peer.tuned] if stage.rivals else []
    found: dict[str, list[Start]] = {}
    for _ in range(1 if stage.quick else 2):
        found.setdefault(OURS, []).append(_own(stage))
        for peer in peers:
            launch = prepared(stage, peer)
            began = time.perf_counter()
            rival = Rival(peer, launch, started(stage.children, peer, launch))
            found.setdefault(peer.label, []).append(_measured(stage, began, rival.child, rival.url, peer.dialect))
    middle = {
        label: tuple(statistics.median(each) for each in zip(*starts, strict=True)) for label, starts in found.items()
    }
    cells = [[label, f"{seconds:.2f}", f"{mib:.0f}"] for label, (seconds, mib) in middle.items()]
    table = markdown(["server", "s", "MiB"], cells)
    return Outcome(
        [_bar("start to first answer", middle, 0, "s"), _bar("memory after it", middle, 1, "MiB")],
        [f"From the start of the process to its first answer, and its memory then:\n\n{table}"],
        middle,
    )


def _own(stage: Stage) -> Start:
    """Another process of the model service on the same database, as the suite starts it."""
    running = psutil.Process(stage.suite.pid_of("model"))
    ports = Ports.free()
    own = {"PORT": str(ports.model), "GRPC_PORT": str(ports.worker)}
    argv = (sys.executable, "-P", "-m", "model_service", "serve")
    began = time.perf_counter()
    child = stage.children.spawn(Command(OURS, argv, running.environ() | own, stage.folder / "second-model.log"))
    return _measured(stage, began, child, f"http://{HOST}:{ports.model}", OURS_ONE)


def _measured(stage: Stage, began: float, child: Child, url: str, dialect: Dialect) -> Start:
    stage.until_first_answer(url, dialect, child.name)
    found = time.perf_counter() - began, tree_bytes(child.pid) / MIB
    stage.children.stop(child)
    return found


def _bar(name: str, found: dict[str, Start], which: int, unit: str) -> Bar:
    own = found[OURS][which]
    rivals = [label for label in found if label != OURS]
    if not rivals:
        return Bar(name, f"{own:.2f} {unit}")
    best = min(rivals, key=lambda label: found[label][which])
    ratio = found[best][which] / own
    figure = f"{own:.3g} {unit}; {best} {found[best][which]:.3g} {unit}: 1/{ratio:.1f}"
    return Bar(name, figure, f"<= 1/{WANTED}", ratio >= WANTED)
