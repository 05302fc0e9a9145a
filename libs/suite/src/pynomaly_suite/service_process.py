"""A service as a process of its own, for tests that kill it or fill its disk."""

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from threading import Thread


class ServiceProcess:
    """`python -m <service>_service serve` on a free port, ready when this has been made.

    file_limit_kib: the most KiB that a file of it may have; beyond that, its disk is full.
    """

    def __init__(self, service: str, environment: Mapping[str, str], *, file_limit_kib: int | None = None) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = int(free.getsockname()[1])
        given = {"PATH": os.environ["PATH"], "PORT": str(self.port), "GRPC_PORT": "0", **environment}
        limit = f"ulimit -f {file_limit_kib}; " if file_limit_kib else ""
        command = f"{limit}exec {sys.executable} -m {service}_service serve"
        self._process = subprocess.Popen(["bash", "-c", command], env=given, stdout=subprocess.PIPE)  # noqa: S603, S607 - a test's own
        self._wait_until_ready()
        self._reader = Thread(target=self._read_log, daemon=True)  # a full pipe would stop it
        self._reader.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def send(self, what: signal.Signals) -> None:
        """A signal that it goes on after."""
        self._process.send_signal(what)

    def end(self, how: signal.Signals) -> int:
        """Send the signal and wait; the exit code, negative for the signal that ended it."""
        self._process.send_signal(how)
        code = self._process.wait(30)
        self._reader.join()
        self._close()
        return code

    def _wait_until_ready(self) -> None:
        """A start says so in its log; nothing is polled."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in self._process.stdout:
            if b"Uvicorn running" in line:
                return
        code = self._process.wait()
        self._close()
        raise RuntimeError(f"the service ended with {code}")

    def _read_log(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        deque(self._process.stdout, maxlen=0)

    def _close(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._process.stdout.close()
