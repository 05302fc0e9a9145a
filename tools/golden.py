"""Golden files of the contracts: one JSON Schema per payload, so that a change of a payload shows as a diff.

python tools/golden.py --write | --check
"""

import importlib
import inspect
import json
import pkgutil
import sys
from pathlib import Path

import pynomaly_contracts
from pydantic import BaseModel

GOLDEN = Path("libs/contracts/tests/golden")


def payloads() -> dict[str, type[BaseModel]]:
    """Every concrete payload, by noun and class name."""
    found: dict[str, type[BaseModel]] = {}
    for module in pkgutil.iter_modules(pynomaly_contracts.__path__):
        contents = importlib.import_module(f"pynomaly_contracts.{module.name}")
        for name, kind in inspect.getmembers(contents, inspect.isclass):
            if issubclass(kind, BaseModel) and kind.__module__ == contents.__name__ and module.name != "base":
                found[f"{module.name}.{name}"] = kind
    return found


def rendered() -> dict[str, str]:
    """File name to content."""
    return {
        f"{name}.json": json.dumps(kind.model_json_schema(), indent=2, sort_keys=True) + "\n"
        for name, kind in payloads().items()
    }


def differences(wanted: dict[str, str]) -> list[str]:
    """Names of golden files that are missing, stale or of no payload."""
    there = {path.name: path.read_text() for path in GOLDEN.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def write(wanted: dict[str, str]) -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path in GOLDEN.glob("*.json"):
        path.unlink()
    for name, content in wanted.items():
        (GOLDEN / name).write_text(content)


if __name__ == "__main__":
    wanted = rendered()
    if "--write" in sys.argv:
        write(wanted)
    elif stale := differences(wanted):
        sys.exit(f"not current: {', '.join(stale)}; run python tools/golden.py --write and read the diff")
