"""The ports of the suite on this machine."""

import os
import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass

import psutil
from pynomaly_contracts.routes import GRPC_PORT, PORTS, Service

from pynomaly_suite.errors import Refused

HOST = "127.0.0.1"
MAX_PORT = 65535
TRIAL_PORTS = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class Ports:
    """A TCP port for each service, one for the detector's worker and one for the model service's gRPC, on 127.0.0.1."""

    dataset: int = PORTS[Service.DATASET]
    detector: int = PORTS[Service.DETECTOR]
    model: int = PORTS[Service.MODEL]
    gateway: int = PORTS[Service.GATEWAY]
    worker: int = 8010
    grpc: int = GRPC_PORT

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Ports":
        """PYNOMALY_DATASET_PORT, _DETECTOR_, _MODEL_, _GATEWAY_, _WORKER_ and _GRPC_PORT over the usual ones.

        Raises:
            Refused: a value is no port.
        """
        names = {name: setting(name) for name in asdict(cls())}
        given = {name: environment[key] for name, key in names.items() if environment.get(key)}
        return cls(**{name: _port(setting(name), value) for name, value in given.items()})

    @classmethod
    def free(cls) -> "Ports":
        """Ports that are free now, below those that the system gives to outgoing connections."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in asdict(cls())]
            return cls(*(_bind_somewhere(each) for each in sockets))

    def of(self, service: str) -> int:
        return int(asdict(self)[service])

    def url(self, service: str) -> str:
        return f"http://{HOST}:{self.of(service)}"

    def check_free(self) -> None:
        """Raises:
        Refused: a port is in use; the message names it, its holder and the setting that moves it.
        """
        for service, port in asdict(self).items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is no use
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise Refused(_taken(service, port, error)) from error


def _bind_somewhere(probe: socket.socket) -> int:
    while True:
        port = random.choice(TRIAL_PORTS)  # noqa: S311 - no secret
        with suppress(OSError):
            probe.bind((HOST, port))
            return port


def setting(service: str) -> str:
    """The environment variable that moves a service's port."""
    return f"PYNOMALY_{service.upper()}_PORT"


def _port(key: str, value: str) -> int:
    if not (value.isdecimal() and 0 < int(value) <= MAX_PORT):
        raise Refused(f"{key}={value} is no port: give a number from 1 to {MAX_PORT}.")
    return int(value)


def _taken(service: str, port: int, error: OSError) -> str:
    return (
        f"Port {port} ({service}) cannot be used: {error.strerror}{_holder(port)}. Free it, or set "
        f"{setting(service)} to another port."
    )


def _holder(port: int) -> str:
    """` by process 12 (python -m http.server)`, as far as the system tells an ordinary user."""
    try:
        found = {each.pid for each in psutil.net_connections("tcp") if _listens(each, port)}
        owner = psutil.Process(next(pid for pid in found if pid is not None))
        return f" by process {owner.pid} ({' '.join(owner.cmdline())[:120]})"
    except (psutil.Error, StopIteration):
        return ""


def _listens(connection: "psutil._ntuples.sconn", port: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port)
