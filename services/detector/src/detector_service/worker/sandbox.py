"""Where rows are computed on: a child process under a memory limit, in a group of its own, that ends with its parent.

Files go in and come out through a folder; the child tells its progress as lines of JSON. What the parent need not
share, such as its database's password, the child does not get.
"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from pynomaly_contracts.problems import Problem

from detector_service.child.confinement import OUT_OF_MEMORY
from detector_service.errors import MemoryLimitReached
from detector_service.worker.children import Children, end

REQUEST, ANSWER, REFUSAL, ERRORS = "request.json", "answer.json", "problem.json", "stderr.log"
ROWS, ARTEFACT, SCORED = "rows.arrows", "artefact.zip", "scored.parquet"
ARTEFACT_BEFORE = "before.zip"
PARTS = "parts"
"""A folder of scores, a file per part of the rows."""
_QUOTED_CHARS = 500
_NO_MEMORY = "std::bad_alloc"  # the last word of a native library that lets nobody catch it
Report = Callable[[str, float], None]
"""Tells the stage, in a word or two, and the share of the job that is done, in [0, 1]."""


def part_name(number: int, n_rows: int) -> str:
    """The file of a part of so many rows, by its number from 0: other sizes are other parts."""
    return f"{number:06d}-{n_rows}"


class ChildRefused(Exception):
    """The child found something wrong with what it was given; `problem` says what."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ChildCrashed(Exception):
    """The child ended without an answer; the message says how."""


class Sandbox:
    """Has work done by children.

    memory_limit_mb: of data, MiB, per child. keeps_one: a child in reserve, once there was work or `keep_one` has asked
    for it, until `close`.
    """

    def __init__(self, memory_limit_mb: int, *, keeps_one: bool = False) -> None:
        self.memory_limit_mb = memory_limit_mb
        self._children = Children(memory_limit_mb, keeps_one=keeps_one)

    async def run(self, kind: str, folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
        """Do `kind` of work in a child; its answer. Ends the child when cancelled.

        Raises ChildRefused, ChildCrashed, MemoryLimitReached.
        """
        (folder / REQUEST).write_bytes(orjson.dumps(request))
        process = await self._children.start(kind, folder, folder / ERRORS)
        try:
            await _follow(process, report)
            code = await process.wait()
        finally:
            await end(process)
        await self.keep_one()
        return self._answer(folder, code)

    async def keep_one(self) -> None:
        """Have a child in reserve before the first work, where one is to be kept."""
        await self._children.keep_one()

    async def close(self) -> None:
        """End the child in reserve."""
        await self._children.close()

    def _answer(self, folder: Path, code: int) -> dict[str, Any]:
        limit_mb = self.memory_limit_mb
        said = _end_of(folder / ERRORS)
        if code == OUT_OF_MEMORY or (code == -signal.SIGABRT and _NO_MEMORY in said):
            message = f"the work needs more than the {limit_mb} MiB that a job may have; use fewer rows or columns"
            raise MemoryLimitReached(message, limit_mb=limit_mb)
        if code == 0 and (folder / REFUSAL).exists():
            raise ChildRefused(Problem.model_validate_json((folder / REFUSAL).read_bytes()))
        if code == 0:
            answer: dict[str, Any] = orjson.loads((folder / ANSWER).read_bytes())
            return answer
        how = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
        last = f"; it said: {said}" if said else ""
        raise ChildCrashed(f"the process ended by {how} (memory limit {limit_mb} MiB){last}")


def _end_of(log: Path) -> str:
    with log.open("rb") as said:
        said.seek(max(0, log.stat().st_size - 4 * _QUOTED_CHARS))  # a child may have said more than memory holds
        return said.read().decode(errors="replace").strip()[-_QUOTED_CHARS:]


async def _follow(process: asyncio.subprocess.Process, report: Report) -> None:
    assert process.stdout is not None  # noqa: S101 - asked for above
    async for line in process.stdout:
        stage, progress = orjson.loads(line)
        report(stage, progress)
