"""Imports, data sets that the suite fetches itself: the handles that starting one returns."""

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from pathlib import PurePosixPath
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.imports import Import

from pynomaly.core.blocking import Blocking, run
from pynomaly.core.call import Call, an, get, path_of
from pynomaly.core.session import Session
from pynomaly.errors import UnexpectedAnswer
from pynomaly.jobs import followed

P = ParamSpec("P")
Core = TypeVar("Core")


class AsyncImportHandle:
    """An import that was started."""

    def __init__(self, session: Session, import_id: UUID | str) -> None:
        self._session, self.id = session, import_id

    async def state(self) -> Import:
        """The import as it is now: its stage, bytes and rows."""
        return await self._session.send(get(an(Import), "datasets", "imports", self.id))

    async def cancel(self) -> Import:
        """Ask it to stop; it does within seconds. Raises Conflict when it has ended."""
        path = path_of(["datasets", "imports", self.id, "cancel"])
        return await self._session.send(Call("POST", path, an(Import)))

    async def wait(self, timeout_s: float | None = None, *, progress: bool | None = None) -> Dataset:
        """The data set, once it is there. Raises JobFailed, JobCancelled or StillRunning.

        progress: show a bar; without, where standard error is a terminal. Ctrl-C stops the waiting, not the import.
        """
        again = f"`pynomaly datasets show-import {self.id}` tells of it"
        ended = await followed(self.state, self._session, timeout_s, progress, again)
        if ended.dataset_id is None:
            raise UnexpectedAnswer(f"import {ended.id} succeeded without a data set")
        return await self._session.send(get(an(Dataset), "datasets", ended.dataset_id))


class ImportHandle(Blocking[AsyncImportHandle]):
    """An import that was started."""

    @property
    def id(self) -> UUID | str:
        return self.core.id

    def state(self) -> Import:
        """The import as it is now: its stage, bytes and rows."""
        return run(self.core.state())

    def cancel(self) -> Import:
        """Ask it to stop; it does within seconds. Raises Conflict when it has ended."""
        return run(self.core.cancel())

    def wait(self, timeout_s: float | None = None, *, progress: bool | None = None) -> Dataset:
        """The data set, once it is there. Raises JobFailed, JobCancelled or StillRunning.

        progress: show a bar; without, where standard error is a terminal. Ctrl-C stops the waiting, not the import.
        """
        return run(self.core.wait(timeout_s, progress=progress))


def importing(
    method: Callable[Concatenate[Core, P], Coroutine[Any, Any, AsyncImportHandle]],
) -> Callable[Concatenate[Blocking[Core], P], ImportHandle]:
    """A method that starts an import, blocking until it is accepted."""

    def call(self: Blocking[Core], /, *args: P.args, **kwargs: P.kwargs) -> ImportHandle:
        return ImportHandle(run(method(self.core, *args, **kwargs)))

    return update_wrapper(call, method)


def name_in(url: str | None) -> str | None:
    """The file's name in an address, up to its first dot."""
    return None if url is None else PurePosixPath(urlsplit(url).path).name.partition(".")[0] or None
