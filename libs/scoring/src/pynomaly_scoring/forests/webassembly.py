"""wasmtime, which is not installed everywhere: what imports this has seen that it is."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import wasmtime

from pynomaly_scoring.forests.program import PROGRAM

FAILURES = (wasmtime.Trap, wasmtime.WasmtimeError)


class _KeptAtTheEnd:
    """Lets go of what it holds, but not while the interpreter ends: by then the library may be gone, which tells the
    user of an exception, and the memory goes with the process."""

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing():
            self.close()  # type: ignore[attr-defined] # of the class beside


class _Engine(_KeptAtTheEnd, wasmtime.Engine):
    """Compiles."""


class _Module(_KeptAtTheEnd, wasmtime.Module):
    """The program, compiled."""


class _Store(_KeptAtTheEnd, wasmtime.Store):
    """An instance's memory and state."""


def instance() -> tuple[wasmtime.Store, Mapping[str, Any]]:
    """The program with a memory of its own: its store, and what it exports. Raises RuntimeError where the process may
    not have the 4 GiB of addresses that a memory reserves."""
    engine, module = _program()
    store = _Store(engine)
    try:
        exports: Any = wasmtime.Instance(store, module, []).exports(store)
    except FAILURES as error:
        raise RuntimeError(f"there is no memory for a forest: {error}") from error
    return store, exports


@cache
def _program() -> tuple[_Engine, _Module]:
    """Compiled once in a process, in some milliseconds."""
    engine = _Engine()
    return engine, _Module(engine, PROGRAM)
