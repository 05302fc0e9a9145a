import asyncio
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
from pynomaly_suite.children import Children, Command
from pynomaly_suite.postgres import DatabaseUrls, EmbeddedPostgres
from pynomaly_suite.roles import Database, Passwords
from pynomaly_suite.testing import TemporaryPostgres

START = """
import sys
from pathlib import Path
from pynomaly_suite.children import Children, Command
from pynomaly_suite.postgres import EmbeddedPostgres
with Children() as children:
    EmbeddedPostgres(Path(sys.argv[1]), children, log=Path(sys.argv[1]) / "log").start()
"""
OWN_ACCOUNT = """
import os
import pwd
from pynomaly_suite import temporary_postgres
with temporary_postgres() as server:
    assert server.database("dataset").app_url
    print("served by", os.geteuid())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a cluster, at a path far too long for a socket."""
    made = tmp_path / ("long" * 30)
    made.mkdir(mode=0o711)
    yield made
    commands = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
    assert [each for each in commands if each[:1] == ["postgres"] and str(made) in each] == []


async def run(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_owner_makes_tables_and_app_uses_them(postgres: TemporaryPostgres) -> None:
    urls = postgres.database("dataset")
    await run(urls.owner_url, "CREATE TABLE rows (id bigserial PRIMARY KEY, name text)")
    assert await run(urls.app_url, "INSERT INTO rows (name) VALUES ('a') RETURNING id") == 1
    assert await run(urls.app_url, "UPDATE rows SET name = 'b' RETURNING name") == "b"
    assert await run(urls.app_url, "DELETE FROM rows RETURNING name") == "b"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "DROP TABLE rows",
        "TRUNCATE rows",
        "CREATE ROLE other",
        "COPY rows TO '/tmp/stolen'",
    ],
)
async def test_app_role_can_only_read_and_write_rows(postgres: TemporaryPostgres, statement: str) -> None:
    urls = postgres.database("dataset")
    await run(urls.owner_url, "CREATE TABLE rows (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(urls.app_url, statement)


async def test_role_of_one_service_cannot_open_the_database_of_another(postgres: TemporaryPostgres) -> None:
    dataset, model = postgres.database("dataset"), postgres.database("model")
    for url in (dataset.app_url, dataset.owner_url):
        for database in (model.app_url.partition("@/")[2].partition("?")[0], "postgres", "template1"):
            credentials, _, place = url.partition("@/")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await run(f"{credentials}@/{database}?{place.partition('?')[2]}", "SELECT 1")


async def test_detector_worker_has_a_role_of_its_own(postgres: TemporaryPostgres) -> None:
    urls = postgres.database("detector")
    await run(urls.owner_url, "CREATE TABLE jobs (id int)")
    assert await run(urls.worker_url, "SELECT count(*) FROM jobs") == 0
    assert await run(urls.worker_url, "SELECT current_user") == "detector_worker"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(urls.worker_url, "CREATE TABLE mine (id int)")


def test_services_without_worker_have_no_worker_url(postgres: TemporaryPostgres) -> None:
    with pytest.raises(KeyError, match="worker"):
        _ = postgres.database("model").worker_url


async def test_wrong_password_is_refused_even_on_the_socket(postgres: TemporaryPostgres) -> None:
    url = postgres.database("dataset").app_url
    with pytest.raises(asyncpg.InvalidPasswordError):
        await run(url.replace(url.split(":")[2].split("@")[0], "guess"), "SELECT 1")


def test_no_password_is_on_a_command_line_that_all_can_see(folder: Path) -> None:
    with Children() as children:
        server = EmbeddedPostgres(folder, children, log=folder / "log", durable=False)
        server.start()
        shown = server.run_sql(r"\! tr '\\0' ' ' < /proc/$PPID/cmdline")
        secret = server.url("postgres", "postgres").split(":")[2].split("@")[0]
        server.stop()
    assert "ON_ERROR_STOP" in shown
    assert secret not in shown


def test_names_that_would_need_quoting_are_refused() -> None:
    with pytest.raises(ValueError, match="Robert"):
        Database("Robert'; DROP TABLE students", "owner", ("app",))


def test_passwords_stay_the_same_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    first = Passwords(path).of("dataset_app")
    assert Passwords(path).of("dataset_app") == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_provisioning_again_keeps_rows_and_repairs_grants(folder: Path) -> None:
    database = Database.of_service("dataset")
    for expected in (0, 1):
        with Children() as children:
            server = EmbeddedPostgres(folder, children, log=folder / "log")
            server.start()
            server.provision([database])
            urls = DatabaseUrls({role: server.url(role, "dataset") for role in database.roles})
            asyncio.run(run(urls.owner_url, "CREATE TABLE IF NOT EXISTS rows (id int)"))
            assert asyncio.run(run(urls.app_url, "SELECT count(*) FROM rows")) == expected
            asyncio.run(run(urls.app_url, "INSERT INTO rows VALUES (1)"))
            asyncio.run(run(urls.owner_url, "REVOKE ALL ON rows FROM dataset_app"))
            server.stop()


def test_initdb_killed_midway_leaves_nothing_half(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", START, str(folder)]) as process:
        while not any(folder.glob("init-*/data/base")):
            assert process.poll() is None
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for each in family:
            with suppress(psutil.NoSuchProcess):  # initdb's helpers come and go
                each.kill()
    psutil.wait_procs(family)
    with Children() as children:
        server = EmbeddedPostgres(folder, children, log=folder / "log")
        server.start()
        assert asyncio.run(run(server.url("postgres", "postgres"), "SELECT 1")) == 1
        server.stop()
    assert list(folder.glob("init-*")) == []


def test_server_of_a_killed_process_ends_too() -> None:
    code = (
        "import os, signal\n"
        "from pynomaly_suite import temporary_postgres\n"
        "with temporary_postgres() as server:\n"
        "    print(server.database('dataset').app_url, flush=True); signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "dataset_app" in process.stdout.readline()
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(family) > len(["reaper", "postgres"])
    _, alive = psutil.wait_procs(family, timeout=60)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("record", ["", "."], ids=["empty", "elsewhere"])
def test_damaged_record_of_the_socket_folder_costs_nobody_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    mine = tmp_path / "mine"
    mine.touch()
    monkeypatch.chdir(tmp_path)
    (folder / "socket-folder").write_text(record)
    with Children() as children:
        EmbeddedPostgres(folder, children, log=folder / "log").forget_socket()
    assert mine.exists()
    assert not (folder / "socket-folder").exists()


def test_server_that_outlived_all_who_knew_of_it_ends_before_another_starts_on_its_data(folder: Path) -> None:
    with Children() as before, Children() as children:
        EmbeddedPostgres(folder, before, log=folder / "log").start()
        (orphan,) = before.running
        server = EmbeddedPostgres(folder, children, log=folder / "log")
        server.start()
        assert orphan.ended()
        assert asyncio.run(run(server.url("postgres", "postgres"), "SELECT 1")) == 1
        server.stop()


def test_server_never_runs_as_root(folder: Path) -> None:
    with Children() as children:
        server = EmbeddedPostgres(folder, children, log=folder / "log", durable=False)
        server.start()
        (running,) = (psutil.Process(child.pid) for child in children.running)
        assert running.uids().effective == (folder / "data").stat().st_uid
        assert running.uids().effective != 0
        server.stop()


def test_data_may_lie_where_only_the_user_can_look(folder: Path) -> None:
    folder.parent.chmod(0o700)
    folder.chmod(0o700)
    with Children() as children:
        server = EmbeddedPostgres(folder, children, log=folder / "log", durable=False)
        server.start()
        assert asyncio.run(run(server.url("postgres", "postgres"), "SELECT 1")) == 1
        server.stop()


def test_ordinary_user_runs_it_as_itself(tmp_path: Path) -> None:
    account = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    log = tmp_path / "log"
    with Children() as children:
        children.run(Command("user", (sys.executable, "-c", OWN_ACCOUNT), os.environ, log, uid=account))
    assert f"served by {account or os.geteuid()}" in log.read_text()
