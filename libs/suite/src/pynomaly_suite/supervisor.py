"""Starts PostgreSQL, the four services and the worker in order, watches them, stops them in the reverse order."""

import http.client
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from rich.console import Console

from pynomaly_suite.children import Child, Children, Command, last_lines, rotate
from pynomaly_suite.errors import NotReady
from pynomaly_suite.keys import ensure_admin_token, ensure_signing_key
from pynomaly_suite.layout import Home, check_free_space, free_bytes, lock_home
from pynomaly_suite.ports import HOST, Ports
from pynomaly_suite.postgres import EmbeddedPostgres, without_postgres_settings
from pynomaly_suite.processes import DATABASES, MIGRATIONS, PROGRAMS, AppliedMigrations, Program, command_of
from pynomaly_suite.state import RunningProcess, State, supervisor_pid

READY_TIMEOUT_S = 90.0
PROBE_TIMEOUT_S = 1.0


class Suite:
    """The suite on one machine, running inside `with`: entering waits until all are ready, leaving stops all.

    Raises on entering:
        Refused: a port, the disk, or another suite on this home is in the way.
        ProcessDied: a process ended by itself; all others have been stopped.
        NotReady: a process was not ready in time; all have been stopped.
        StopRequested: `request_stop` was called meanwhile; all have been stopped.

    settings: environment settings for every process, over those of the suite, such as MODEL_SERVICE_URL.
    """

    def __init__(
        self,
        home: Home,
        ports: Ports,
        *,
        console: Console | None = None,
        durable: bool = True,
        free_bytes: Callable[[Path], int] = free_bytes,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home, self.ports, self._settings = home, ports, dict(settings or {})
        self._console = console or Console(quiet=True)
        self._durable, self._free_bytes = durable, free_bytes
        self._children = Children()
        self._postgres = EmbeddedPostgres(home.postgres, self._children, log=home.log("postgres"), durable=durable)
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """Of the front door."""
        return self.ports.url("gateway")

    def __enter__(self) -> Self:
        with ExitStack() as stack, self._console.status("Starting Pynomaly"):
            self._take_home(stack)
            ensure_signing_key(self.home)
            ensure_admin_token(self.home)
            self._start_postgres()
            self._migrate(AppliedMigrations(self.home).pending())
            self._start_services()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def request_stop(self, signum: int) -> None:
        """Raise StopRequested in whatever the suite waits for. Safe in a signal handler."""
        self._children.stop_signal = signum

    def serve(self) -> NoReturn:
        """Watch the processes until one dies or a stop is asked for."""
        while True:
            self._children.pause()

    def run(self, script: Path) -> int:
        """Run a Python script against the suite, its output on the terminal; its exit code, as a shell tells it."""
        environment = {**os.environ, "PYNOMALY_URL": self.url}
        command = Command(script.name, (sys.executable, str(script)), environment, log=None)
        code = self._children.wait(self._children.spawn(command, may_end=True))
        return code if code >= 0 else 128 - code

    def pid_of(self, name: str) -> int:
        """Of a process that was started; `postgres`, a service, or `detector-worker`."""
        return self._child(name).pid

    def database_url(self, service: str) -> str:
        """Of a service's database, for the role that owns it."""
        database = DATABASES[service]
        return self._postgres.url(database.owner, database.name)

    def restart(self, name: str) -> None:
        """End a process, where it has not ended, start it again and wait until it is ready. Raises as entering does."""
        if name == "postgres":
            self._postgres.restart()
        else:
            ended = self._child(name)
            self._children.stop(ended)
            self._children.spawn(ended.command)
        self._record()
        self._until_ready([program for program in PROGRAMS if program.name == name], time.monotonic())

    def _child(self, name: str) -> Child:
        return next(child for child in self._children.running if child.name == name)

    def migrate_only(self) -> None:
        """Start PostgreSQL, migrate every database, stop. In place of `with`."""
        with ExitStack() as stack:
            self._take_home(stack)
            ensure_signing_key(self.home)
            self._start_postgres()
            self._migrate(MIGRATIONS)

    def _take_home(self, stack: ExitStack) -> None:
        home = self.home
        home.create()
        lock = stack.enter_context(lock_home(home, supervisor_pid(home.state)))
        if before := State.load(home.state):
            before.stop_leftovers()
        check_free_space(home.root, self._free_bytes)
        self.ports.check_free()
        self._record()
        stack.callback(home.state.unlink)
        self._children.held_files = (lock.fileno(),)
        stack.callback(self._postgres.forget_socket)
        stack.enter_context(self._children)
        stack.callback(self._stop_in_order)

    def _start_postgres(self) -> None:
        rotate(self.home.log("postgres"))
        with self._timed("postgres", str(self.home.postgres)):
            self._postgres.start()
            self._record()
            self._postgres.provision(DATABASES.values())

    def _migrate(self, pending: tuple[Program, ...]) -> None:
        """All at once: each is mostly the start of an interpreter."""
        if not pending:
            return
        with self._timed("migrations", ", ".join(each.service for each in pending)):
            children = [self._spawn(program, may_end=True) for program in pending]
            for child in children:
                if self._children.wait(child):
                    raise child.died()
            AppliedMigrations(self.home).succeeded()

    def _start_services(self) -> None:
        started = time.monotonic()
        for program in PROGRAMS:
            self._spawn(program)
        self._record()
        self._until_ready(list(PROGRAMS), started)

    def _until_ready(self, waiting: list[Program], started: float) -> None:
        try:
            self._children.until(lambda: self._all_ready(waiting, started), timeout_s=READY_TIMEOUT_S)
        except NotReady as error:
            raise self._not_ready(waiting) from error

    def _all_ready(self, waiting: list[Program], started: float) -> bool:
        for program in [each for each in waiting if is_ready(each.port(self.ports))]:
            waiting.remove(program)
            self._say(program.name, f"http://{HOST}:{program.port(self.ports)}", started)
        return not waiting

    def _not_ready(self, waiting: list[Program]) -> NotReady:
        names = ", ".join(program.name for program in waiting)
        log = self.home.log(waiting[0].name)
        quoted = "\n".join(f"  {line}" for line in last_lines(log))
        return NotReady(f"Not ready after {READY_TIMEOUT_S:.0f} s: {names}.\nThe end of {log}:\n{quoted}")

    def _spawn(self, program: Program, *, may_end: bool = False) -> Child:
        if program.stores:
            self.home.storage(program.service).mkdir(mode=0o700, exist_ok=True)
        rotate(self.home.log(program.name))
        url = self._postgres.url(program.role, DATABASES[program.service].name)
        environment = {"ENVIRONMENT": "development", **without_postgres_settings()}
        command = command_of(program, self.home, self.ports, url, environment)
        return self._children.spawn(replace(command, env={**command.env, **self._settings}), may_end=may_end)

    def _stop_in_order(self) -> None:
        with self._console.status("Stopping") as status:
            for child in reversed(self._children.running):
                status.update(f"Stopping {child.name}")
                self._children.stop(child)
        self._console.print("Stopped.")

    def _record(self) -> None:
        own = RunningProcess.of("supervisor", os.getpid())
        processes = [
            RunningProcess.of(each.name, each.pid, int(each.command.stop_signal))
            for each in self._children.running
            if not each.ended()
        ]
        State(own, self.ports, tuple(processes)).save(self.home.state)

    @contextmanager
    def _timed(self, name: str, detail: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._say(name, detail, started)

    def _say(self, name: str, detail: str, started: float) -> None:
        seconds = time.monotonic() - started
        self._console.print(f"  [green]✓[/] {name:<15} [dim]{seconds:4.1f} s[/]  {detail}", highlight=False)


def is_ready(port: int) -> bool:
    """Whether the service on this port says it is ready."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False  # nobody listens yet, or not yet for long enough to answer
    finally:
        connection.close()
