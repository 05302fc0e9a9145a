"""The bench's own parts: a generator that is no bottleneck and believes no refusal, and a report that is told once."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import floor
import polars as pl
import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from alone import alone
from figures import Bar, Outcome
from files import PIECE_ROWS, fractions, mixed, write_csv
from generator import Generator, LoadFailed
from load import Turn
from pynomaly_suite import Ports
from pynomaly_suite.children import Children, Command
from run import report, write
from stage import peak_bytes, post
from works.one_row import answers


@pytest.fixture
def constant(tmp_path: Path) -> Iterator[str]:
    """A server that answers the same to everything."""
    port = Ports.free().model
    with Children() as children:
        command = (sys.executable, floor.__file__, "sockets", str(port))
        children.spawn(Command("constant", command, {}, tmp_path / "log"))
        url = f"http://127.0.0.1:{port}"
        children.until(lambda: answers(url), timeout_s=30, what="constant")
        yield url


@pytest.fixture
def body(tmp_path: Path) -> str:
    (tmp_path / "body").write_bytes(b"x" * 100_000)
    return str(tmp_path / "body")


@pytest.mark.parametrize("connections", [1, 8])
def test_the_generator_counts_every_answer_but_those_that_warm_up(constant: str, body: str, connections: int) -> None:
    turn = Turn(f"{constant}/", (body,), connections=connections, seconds=0.0, at_least=50, warm=10)
    with Generator() as generator:
        figures = generator.turn(turn)

    assert 50 <= figures["n"] <= 50 + connections
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]


def test_the_generator_takes_turns_and_gives_medians(constant: str, body: str) -> None:
    turn = Turn(f"{constant}/", (body, body), seconds=0.0, at_least=5, warm=5)
    seconds = itertools.count()
    with Generator() as generator:
        found = generator.interleaved({"a": turn, "b": turn}, rounds=3, cpu_s=lambda _: float(next(seconds)))

    assert [found["a"].n, found["b"].n] == [15, 15]
    assert [found["a"].cpu_ms, found["b"].cpu_ms] == [100, 100]  # a second for ten requests


def test_a_server_that_refuses_ends_the_run_with_what_it_said(tmp_path: Path, body: str) -> None:
    port = Ports.free().model
    with Children() as children, Generator() as generator:
        command = (sys.executable, "-m", "http.server", str(port), "--directory", str(tmp_path))
        children.spawn(Command("refusing", command, {}, tmp_path / "log"))
        url = f"http://127.0.0.1:{port}"
        children.until(lambda: answers(url), timeout_s=30, what="refusing")
        with pytest.raises(LoadFailed, match="501"):
            generator.turn(Turn(f"{url}/", (body,), at_least=1, seconds=0.0))


def test_a_report_replaces_the_one_before_it_in_the_document(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("# Head\n\n<!-- figures -->\nold\n<!-- /figures -->\n\nTail\n")

    write(document, report({"one": Outcome([Bar("speed", "2 ms", "<= 1 ms", met=False)])}))

    assert "old" not in document.read_text()
    assert "| speed | 2 ms | <= 1 ms | **missed** |" in document.read_text()
    assert document.read_text().startswith("# Head\n\n<!-- figures -->")
    assert document.read_text().endswith("<!-- /figures -->\n\nTail\n")


def test_a_constant_answers_a_post(constant: str) -> None:
    assert post(constant, b"{}", "") == floor.BODY


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Answers every message, pings in between."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.ping()
        await socket.send_str(message.data)
    return socket


@pytest.mark.parametrize("n_bytes", [20, 300, 70_000], ids=["7 bits", "16 bits", "64 bits"])
async def test_the_generator_streams_over_a_websocket_with_a_window_in_flight(tmp_path: Path, n_bytes: int) -> None:
    message = b'{"raw_score":1}'.ljust(n_bytes)
    (tmp_path / "body").write_bytes(message)
    application = web.Application()
    application.router.add_get("/stream", echo)
    async with TestServer(application) as server:
        turn = Turn(str(server.make_url("/stream")), (str(tmp_path / "body"),), seconds=0.0, at_least=40, window=8)
        with Generator() as generator:
            figures = await asyncio.to_thread(generator.turn, turn)

    assert figures["n"] >= 40
    assert figures["errors"] == 0


async def listed(_: web.Request) -> web.Response:
    return web.json_response({"items": []})


async def test_the_generator_asks_without_a_body(tmp_path: Path) -> None:
    application = web.Application()
    application.router.add_get("/objects", listed, allow_head=False)
    async with TestServer(application) as server:
        turn = Turn(str(server.make_url("/objects")), (), seconds=0.0, at_least=20, method="GET")
        with Generator() as generator:
            figures = await asyncio.to_thread(generator.turn, turn)

    assert figures["n"] == 20


def test_a_table_of_several_pieces_has_one_header(tmp_path: Path) -> None:
    table = pl.read_csv(write_csv(tmp_path / "t.csv", PIECE_ROWS + 10, partial(fractions, n_columns=2), decimals=1))
    assert table.shape == (PIECE_ROWS + 10, 2)
    assert table.dtypes == [pl.Float64, pl.Float64]


def test_what_others_do_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", 1_000, mixed)
    measured = alone("polars_parquet", source, tmp_path / "t.parquet")
    assert measured.seconds > 0
    assert measured.mib > 10
    assert pl.read_parquet(tmp_path / "t.parquet").shape == (1_000, 20)


def test_a_peak_stays_when_the_memory_has_gone() -> None:
    program = "held = bytearray(200 * 2**20); del held; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        peak, now = peak_bytes(process.pid), psutil.Process(process.pid).memory_info().rss
        process.communicate(b"\n")

    told = 200 * 2**20 if Path("/proc").exists() else 0  # Linux alone tells the peak
    assert now <= peak
    assert told <= peak
