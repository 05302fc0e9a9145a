"""The Pynomaly services and their PostgreSQL on one machine."""

from pynomaly_suite.commands import (
    ProcessStatus,
    SuiteStatus,
    migrate,
    run_suite,
    running_url,
    status,
    stop,
    suite_running,
    temporary_suite,
)
from pynomaly_suite.errors import NotReady, ProcessDied, Refused, StopRequested, SuiteError
from pynomaly_suite.keys import admin_token, known_keys, revoke_key, rotate_key
from pynomaly_suite.ports import Ports
from pynomaly_suite.postgres import DatabaseUrls, EmbeddedPostgres
from pynomaly_suite.roles import Database
from pynomaly_suite.supervisor import Suite
from pynomaly_suite.testing import TemporaryPostgres, temporary_postgres

__all__ = [
    "Database",
    "DatabaseUrls",
    "EmbeddedPostgres",
    "NotReady",
    "Ports",
    "ProcessDied",
    "ProcessStatus",
    "Refused",
    "StopRequested",
    "Suite",
    "SuiteError",
    "SuiteStatus",
    "TemporaryPostgres",
    "admin_token",
    "known_keys",
    "migrate",
    "revoke_key",
    "rotate_key",
    "run_suite",
    "running_url",
    "status",
    "stop",
    "suite_running",
    "temporary_postgres",
    "temporary_suite",
]
