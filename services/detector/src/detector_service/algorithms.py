"""The algorithms on offer, the check of their parameters, and their construction.

Reading the catalogue and validating need no PyOD; only `create_estimator` imports it.
"""

import argparse
import json
import math
import reprlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from pyod.models.base import BaseDetector

_FILE = "algorithms.json"
_BEYOND = 2**63
_ROOT = Path(__file__).parents[4]  # of the repository, for what documents it


class UnknownAlgorithm(ValueError):
    """No algorithm has this name; `known` are the names there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown algorithm {name!r}; known are {', '.join(known)}")
        self.name = name
        self.known = known


class NotOffered(UnknownAlgorithm):
    """A detector of PyOD's that models cannot be trained with; the message says why, and what to use instead."""

    def __init__(self, found: "Elsewhere", known: tuple[str, ...]) -> None:
        super().__init__(found.name, known)
        instead = " or ".join(found.instead)
        self.args = (f"{found.name} cannot be trained: it {found.reason}. Use {instead} instead",)


class InvalidParameter(ValueError):
    """A parameter that the algorithm does not have, or a value that it does not take."""

    def __init__(self, field: str, value: Any, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.value = value
        self.message = message


@dataclass(frozen=True)
class Algorithm:
    """One entry of the catalogue. good_at: the data that it suits. fit_cost, score_cost: low, medium or high.

    parameters_schema: JSON Schema (draft 2020-12) of the parameters, with PyOD's defaults.
    implementation: dotted path of PyOD's class. server_side: what the server passes to it beside the parameters.
    seeded: PyOD's class takes the seed. extra: of the distribution, which must be installed for it; None for none.
    batch_only: why a row alone has no score, None where it has; completes "it ...". Such a batch has at most max_rows
    and max_features, where they are given; instead: what comes nearest online.
    """

    name: str
    title: str
    description: str
    paper: str
    fit_cost: str
    score_cost: str
    parameters_schema: Mapping[str, Any]
    implementation: str
    server_side: Mapping[str, Any]
    seeded: bool
    good_at: str = ""
    extra: str | None = None
    batch_only: str | None = None
    max_rows: int | None = None
    max_features: int | None = None
    instead: Sequence[str] = ()

    @property
    def defaults(self) -> dict[str, Any]:
        """PyOD's default of each parameter."""
        return {name: schema["default"] for name, schema in self.parameters_schema["properties"].items()}


@dataclass(frozen=True)
class Elsewhere:
    """A detector of PyOD's that is not on offer. kind: torch or not_offered; reason: completes "it ..."."""

    name: str
    kind: Literal["torch", "not_offered"]
    reason: str
    instead: list[str]


def is_installed(extra: str | None) -> bool:
    """Whether what belongs to the extra, a package of its name, can be imported. Imports nothing."""
    return extra is None or find_spec(extra) is not None


def load_catalogue(
    is_installed: Callable[[str | None], bool],
) -> tuple[Mapping[str, Algorithm], Mapping[str, Elsewhere]]:
    """What is on offer and what is not, by name. What needs an extra is in one or the other, as it is installed."""
    content = json.loads(resources.files("detector_service").joinpath(_FILE).read_text("utf-8"))
    entries = [Algorithm(**entry) for entry in content["algorithms"]]
    online = {entry.name: entry for entry in entries if is_installed(entry.extra)}
    elsewhere = {entry["name"]: Elsewhere(**entry) for entry in content["elsewhere"] if entry["name"] not in online}
    return MappingProxyType(online), MappingProxyType(elsewhere)


_OFFERED, ELSEWHERE = load_catalogue(is_installed)
ALGORITHMS = MappingProxyType({name: found for name, found in _OFFERED.items() if found.batch_only is None})
BATCH = MappingProxyType({name: found for name, found in _OFFERED.items() if found.batch_only is not None})


def get_algorithm(name: str) -> Algorithm:
    """The algorithm of this name, case and all, online or for batches. Raises NotOffered, UnknownAlgorithm."""
    if name in ELSEWHERE:
        raise NotOffered(ELSEWHERE[name], tuple(_OFFERED))
    if name not in _OFFERED:
        raise UnknownAlgorithm(name, tuple(_OFFERED))
    return _OFFERED[name]


def validate_parameters(algorithm: Algorithm, parameters: Mapping[str, Any]) -> None:
    """Check parameters against the algorithm's schema. Raises InvalidParameter on the first that does not fit."""
    properties = algorithm.parameters_schema["properties"]
    for name, value in parameters.items():
        if name not in properties:
            known = ", ".join(properties) or "none"
            message = f"{algorithm.name} has no parameter {name!r}; it has: {known}"
            raise InvalidParameter(f"parameters.{name}", value, message)
        if not _is_valid(value, properties[name]):
            message = f"{name} must be {requirement(properties[name])}, not {reprlib.repr(value)}"
            raise InvalidParameter(f"parameters.{name}", value, message)


def create_estimator(
    algorithm: Algorithm, parameters: Mapping[str, Any], contamination: float, seed: int
) -> "BaseDetector":
    """An unfitted PyOD detector. contamination: in (0, 0.5]; seed: in 0..2**32 - 1.

    Raises InvalidParameter as validate_parameters does.
    """
    validate_parameters(algorithm, parameters)
    properties = algorithm.parameters_schema["properties"]
    arguments = {name: _as_declared(value, properties[name]) for name, value in parameters.items()}
    arguments |= {**algorithm.server_side, "contamination": contamination}
    if algorithm.seeded:
        arguments["random_state"] = seed
    if algorithm.extra:
        from detector_service.estimators.networks import create_network  # noqa: PLC0415 - PyTorch, not installed everywhere

        return create_network(algorithm.name, arguments, seed)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # of KNN's `algorithm`, to go in 0.7.6; the catalogue would notice
        detector: BaseDetector = resolve_name(algorithm.implementation)(**arguments)
    return detector


def _is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """Numbers that JSON lacks, and whole ones beyond 64 bits, which nothing computes with, are never valid."""
    if isinstance(value, int | float) and not abs(value) < (_BEYOND if isinstance(value, int) else math.inf):
        return False
    return bool(Draft202012Validator(schema).is_valid(value))


def _as_declared(value: Any, schema: Mapping[str, Any]) -> Any:
    """JSON has one kind of number: 1 for a share is the float 1.0 to PyOD, and 5.0 for a count the int 5."""
    if isinstance(value, list):
        lists = (part for part in schema.get("anyOf", [schema]) if part.get("type") == "array")
        return [_as_declared(item, part["items"]) for part in lists for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    fitting = next(s for s in schema.get("anyOf", [schema]) if Draft202012Validator(s).is_valid(value))
    return int(value) if fitting.get("type") == "integer" else float(value)


def requirement(schema: Mapping[str, Any]) -> str:
    """What a value must be, in words. schema: of one parameter."""
    if "anyOf" in schema:
        return " or ".join(map(requirement, schema["anyOf"]))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(json.dumps, schema["enum"]))
    if schema.get("type") == "array":
        return f"a list of {schema['minItems']} to {schema['maxItems']}, each {requirement(schema['items'])}"
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = " and ".join(f"{sign} {schema[key]}" for key, sign in words.items() if key in schema)
    noun = {"integer": "an integer", "number": "a number", "boolean": "true or false"}.get(schema["type"], "null")
    return f"{noun} {bounds}".rstrip()


def main(arguments: list[str] | None = None) -> int:
    """Write algorithms.json and docs/algorithms.md, or check that they are what would be written: 1 where not."""
    from detector_service import catalogue  # noqa: PLC0415 - a generator's import

    parser = argparse.ArgumentParser(prog="python -m detector_service.algorithms", description=main.__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the files")
    action.add_argument("--check", action="store_true", help="fail when a file is not current")
    rendered = catalogue.render(_ROOT / "examples/data")
    files = {Path(__file__).with_name(_FILE): rendered.json, _ROOT / "docs/algorithms.md": rendered.document}
    if parser.parse_args(arguments).write:
        for file, text in files.items():
            file.write_text(text, "utf-8")
        return 0
    stale = [file.name for file, text in files.items() if not file.exists() or file.read_text("utf-8") != text]
    for name in stale:
        sys.stderr.write(f"{name} is not current: python -m detector_service.algorithms --write\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
