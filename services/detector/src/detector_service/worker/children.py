"""Child processes, and one kept in reserve that has read its libraries before there is work for it.

Reading scikit-learn takes seconds, often more than the work. The one in reserve is started with the worker and when
work has ended, so that it takes the cores from no work, and is let go when nothing came for a while, so that an idle
worker is small.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import orjson

RESERVE_S = 600.0
"""How long one is kept in reserve, s."""
_SECRETS = ("DATABASE_URL", "PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "ACCESS_KEY", "ACCOUNT_KEY")


class Children:
    """Starts them under a memory limit, MiB of data each. keeps_one: in reserve for reserve_s, until `close`."""

    def __init__(self, memory_limit_mb: int, *, keeps_one: bool, reserve_s: float = RESERVE_S) -> None:
        self._memory_limit_mb, self._reserve_s = memory_limit_mb, reserve_s
        self._keeps_one = keeps_one
        self._reserve: asyncio.subprocess.Process | None = None
        self._letting_go: asyncio.TimerHandle | None = None

    async def start(self, kind: str, folder: Path, errors: Path) -> asyncio.subprocess.Process:
        """One that does `kind` of work in the folder and leaves what it says, tracebacks too, in `errors`."""
        told = orjson.dumps((kind, str(folder), str(errors))) + b"\n"
        with errors.open("wb") as file:
            process = self._taken()
            if process is not None:
                if await _has_taken(process, told):
                    return process
                await end(process)
            process = await self._new(file)
        await _has_taken(process, told)  # where it has not, its exit code tells why
        return process

    async def keep_one(self) -> None:
        """Have one in reserve from now on, unless there is one; where none can be started, work only begins later."""
        if not self._keeps_one or self._reserve is not None:
            return
        with contextlib.suppress(OSError):
            process = await self._new(None)
            if not self._keeps_one or self._reserve is not None:  # closed meanwhile, or another was quicker
                await end(process)
                return
            self._reserve = process
            self._letting_go = asyncio.get_running_loop().call_later(self._reserve_s, self._let_go)

    async def close(self) -> None:
        """End the one in reserve, and keep none any more."""
        self._keeps_one = False
        process = self._taken()
        if process is not None:
            await end(process)

    def _taken(self) -> asyncio.subprocess.Process | None:
        process, self._reserve = self._reserve, None
        if self._letting_go is not None:
            self._letting_go.cancel()
        return process if process is not None and process.returncode is None else None

    def _let_go(self) -> None:
        process = self._taken()
        if process is not None and process.stdin is not None:
            process.stdin.close()  # the end of its lifeline ends it

    async def _new(self, errors: BinaryIO | None) -> asyncio.subprocess.Process:
        is_reserve = [] if errors is not None else ["reserve"]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "detector_service.child", str(self._memory_limit_mb), *is_reserve),
            stdin=asyncio.subprocess.PIPE,  # its end tells the child that this process is gone
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL if errors is None else errors,
            env=_harmless_environment(),
            start_new_session=True,
        )


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill it and its children, unless it has ended, and wait until it is gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _has_taken(process: asyncio.subprocess.Process, order: bytes) -> bool:
    """Whether it says that it has read the order; it may have ended before."""
    assert process.stdin is not None  # noqa: S101 - asked for above
    assert process.stdout is not None  # noqa: S101 - as above
    try:
        process.stdin.write(order)
        return bool(await process.stdout.readline())
    except BaseException:
        await end(process)
        raise


def _harmless_environment() -> dict[str, str]:
    """Without secrets, and without GPUs: the same rows and seed give the same model on every machine."""
    kept = {name: value for name, value in os.environ.items() if not any(word in name for word in _SECRETS)}
    return {**kept, "CUDA_VISIBLE_DEVICES": ""}
