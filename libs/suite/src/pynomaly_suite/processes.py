"""Which processes make the suite, and what each is told."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from pynomaly_suite.children import Command
from pynomaly_suite.files import write_whole
from pynomaly_suite.layout import Home
from pynomaly_suite.ports import HOST, Ports
from pynomaly_suite.roles import Database

SERVICES = ("dataset", "model", "detector", "gateway")
DATABASES = {service: Database.of_service(service) for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Program:
    """A process of a service: `python -m SERVICE_service COMMAND`, under one database role, with what it may use."""

    name: str
    service: str
    command: str
    role: str
    stores: bool = False
    trusts: bool = False
    signs: bool = False

    def port(self, ports: Ports) -> int:
        """Where it answers for its health."""
        return ports.worker if self.command == "worker" else ports.of(self.service)


PROGRAMS = (  # in the order of starting; they stop in the reverse order
    Program("dataset", "dataset", "serve", "dataset_app", stores=True),
    Program("model", "model", "serve", "model_app", stores=True, trusts=True),
    Program("detector", "detector", "serve", "detector_app"),
    Program("detector-worker", "detector", "worker", "detector_worker", stores=True, trusts=True, signs=True),
    Program("gateway", "gateway", "serve", "gateway_app"),
)
MIGRATIONS = tuple(
    replace(each, name=f"{each.name}-migrate", command="migrate", role=f"{each.service}_owner")
    for each in PROGRAMS
    if each.command == "serve"
)
JOBS_AT_A_TIME = ("WORKERS", "JOB_CONCURRENCY")
SHUTDOWN_GRACE_S = 8  # for requests in flight; below the patience of Command.grace_s


def command_of(
    program: Program, home: Home, ports: Ports, database_url: str, environment: Mapping[str, str]
) -> Command:
    """How to start the program on this machine."""
    argv = (sys.executable, "-P", "-m", f"{program.service}_service", program.command)
    told = _settings(program, home, ports) | {"DATABASE_URL": database_url}
    if program.command == "worker" and not any(_is_said(name, home, environment) for name in JOBS_AT_A_TIME):
        told["WORKERS"] = str(jobs_at_a_time(os.cpu_count() or 1))
    if program.command == "migrate":
        told["MIGRATION_DATABASE_URL"] = database_url
    return Command(program.name, argv, {**_usual(home, environment), **environment, **told}, home.log(program.name))


def _usual(home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """What whoever starts the suite may say otherwise."""
    usual = {"CONFIG_DIR": str(home.config)}
    if not environment.get("ADMIN_TOKEN"):
        usual["ADMIN_TOKEN_FILE"] = str(home.admin_token)
    return usual


def _is_said(name: str, home: Home, environment: Mapping[str, str]) -> bool:
    """Whether the worker finds the setting by itself, in its environment or in its folder of settings."""
    folder = Path(environment.get("CONFIG_DIR") or home.config)
    return any(environment.get(each) or (folder / each).is_file() for each in (name, f"{name}_FILE"))


def jobs_at_a_time(n_cores: int) -> int:
    """Half of the cores work on jobs, so that the services keep some; one at least."""
    return max(1, n_cores // 2)


def _settings(program: Program, home: Home, ports: Ports) -> dict[str, str]:
    told = {f"{service.upper()}_SERVICE_URL": ports.url(service) for service in SERVICES}
    told["SHUTDOWN_GRACE_S"] = str(SHUTDOWN_GRACE_S)
    told |= {"HOST": HOST, "PORT": str(ports.of(program.service)), "WORKER_PORT": str(ports.worker)}
    told["GRPC_PORT"] = str(ports.grpc)
    if program.stores:
        told |= {"STORAGE_TYPE": "local", "STORAGE_PATH": str(home.storage(program.service))}
    if program.trusts:
        told["TRUSTED_KEYS_PATH"] = str(home.trusted_keys)
    if program.signs:
        told["SIGNING_KEY_PATH"] = str(home.signing_key)
    return told


class AppliedMigrations:
    """Which migration files each database has seen, kept beside the databases, so that they share their fate.

    Starting four interpreters to learn that nothing has changed is most of a second start.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.postgres / "migrations.json"
        self._seen: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def pending(self) -> tuple[Program, ...]:
        """The migrations whose files have changed since they last succeeded."""
        return tuple(each for each in MIGRATIONS if self._seen.get(each.service) != files_digest(each.service))

    def succeeded(self) -> None:
        """All migrations have run."""
        write_whole(self._path, json.dumps({service: files_digest(service) for service in SERVICES}))


def files_digest(service: str) -> str | None:
    """SHA-256 (hex) over the service's `migrations/`; None where it cannot be found."""
    package = find_spec(f"{service}_service")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "migrations"
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()
