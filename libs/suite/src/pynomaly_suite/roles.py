"""Databases, and the roles that may open them, as one SQL script that can be run again and again."""

import json
import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pynomaly_suite.files import write_whole

SUPERUSER = "postgres"
NAME_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "_")


@dataclass(frozen=True, slots=True)
class Database:
    """A database, the role that owns and migrates it, and those that read and write its rows and nothing else."""

    name: str
    owner: str
    users: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in (self.name, *self.roles):
            if not name or not NAME_CHARACTERS.issuperset(name):
                raise ValueError(f"{name!r} is no name of lower-case letters, digits and underscores")

    @classmethod
    def of_service(cls, service: str, *, name: str | None = None) -> "Database":
        """The database of a service; the detector's also has a role for its worker."""
        users = (f"{service}_app", f"{service}_worker") if service == "detector" else (f"{service}_app",)
        return cls(name or service, f"{service}_owner", users)

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.owner, *self.users)


class Passwords:
    """A random password per role, made when first asked for, in one file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, role: str) -> str:
        if role not in self._known:
            self._known[role] = secrets.token_urlsafe(24)
            write_whole(self._path, json.dumps(self._known))  # a cluster whose passwords are lost cannot be opened
        return self._known[role]


def provisioning(databases: Iterable[Database], password: Callable[[str], str]) -> str:
    """The psql script, for the superuser, that makes databases and roles or leaves them as they should be."""
    databases = tuple(databases)
    roles = sorted({role for database in databases for role in database.roles})
    lines = [
        "SET log_min_error_statement = panic;",  # no password in the server's log
        f"REVOKE ALL ON DATABASE {SUPERUSER}, template1 FROM PUBLIC;",
        *(line for role in roles for line in _role(role, password(role))),
        *(line for database in databases for line in _database(database)),
    ]
    return "\n".join(lines) + "\n"


def _role(role: str, password: str) -> Iterator[str]:
    yield _unless("pg_roles", f"rolname = '{role}'", f"CREATE ROLE {role}")
    yield f"ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{password}';"


def _database(database: Database) -> Iterator[str]:
    name, owner, users = database.name, database.owner, ", ".join(database.users)
    rows, numbers = "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT"
    yield _unless("pg_database", f"datname = '{name}'", f"CREATE DATABASE {name} OWNER {owner}")
    yield f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
    yield f"GRANT CONNECT ON DATABASE {name} TO {users};"
    yield rf"\connect {name}"
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT {rows} ON TABLES TO {users};"
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT {numbers} ON SEQUENCES TO {users};"
    yield f"GRANT {rows} ON ALL TABLES IN SCHEMA public TO {users};"
    yield f"GRANT {numbers} ON ALL SEQUENCES IN SCHEMA public TO {users};"


def _unless(catalogue: str, condition: str, statement: str) -> str:
    return rf"SELECT '{statement}' WHERE NOT EXISTS (SELECT FROM {catalogue} WHERE {condition}) \gexec"  # noqa: S608 - names are checked by Database
