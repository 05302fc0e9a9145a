"""From the declarations and PyOD's signatures to algorithms.json and docs/algorithms.md."""

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

from detector_service.catalogue import batch, ensembles, neighbours, networks, shapes, tails
from detector_service.catalogue.declared import Declared
from detector_service.catalogue.document import document
from detector_service.catalogue.elsewhere import ELSEWHERE

_BASES = {"BaseDetector", "BaseDeepLearningDetector"}


def build() -> list[dict[str, Any]]:
    """The entries of what is on offer, by name, with the defaults of the PyOD that is installed.

    Raises ValueError where PyOD has a parameter that is neither declared nor left out, or lacks a declared one.
    """
    modules = (batch, ensembles, neighbours, networks, shapes, tails)
    declared = [entry for module in modules for entry in module.ENTRIES]
    return [_entry(entry) for entry in sorted(declared, key=lambda entry: entry.name.lower())]


class Rendered(NamedTuple):
    """The texts of algorithms.json and docs/algorithms.md."""

    json: str
    document: str


def render(data: Path) -> Rendered:
    """What is written. data: the folder of the examples' data sets."""
    algorithms = build()
    elsewhere = [asdict(entry) for entry in sorted(ELSEWHERE, key=lambda entry: entry.name.lower())]
    content = {
        "generated_by": "python -m detector_service.algorithms --write",
        "algorithms": algorithms,
        "elsewhere": elsewhere,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return Rendered(text, document(algorithms, elsewhere, data))


def pyod_detectors() -> set[str]:
    """Names of all detectors of the PyOD that is installed, read from its source: some cannot be imported here."""
    models = resources.files("pyod.models")
    return {name for file in models.iterdir() if file.name.endswith(".py") for name in _detectors(file.read_text())}


def _detectors(source: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or node.name in _BASES:
            continue
        if {base.id for base in node.bases if isinstance(base, ast.Name)} & _BASES:
            yield node.name


def _entry(declared: Declared) -> dict[str, Any]:
    defaults = (_written_defaults if declared.extra else _defaults)(declared.implementation)
    if set(defaults) != {"contamination", *declared.parameters, *declared.left_out}:
        raise ValueError(f"{declared.name}: PyOD's parameters are {sorted(defaults)}, which is not what is declared")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {name: {**schema, "default": defaults[name]} for name, schema in declared.parameters.items()},
        "additionalProperties": False,
    }
    said = {key: value for key, value in asdict(declared).items() if key not in ("parameters", "left_out")}
    kept = {key: value for key, value in said.items() if value not in (None, ())}
    return {**kept, "seeded": "random_state" in defaults, "parameters_schema": schema}


def _written_defaults(path: str) -> Mapping[str, Any]:
    """From the source of a class of PyOD's that not everybody can import. What has no default is None."""
    module, _, name = path.rpartition(".")
    source = resources.files("pyod.models").joinpath(f"{module.rpartition('.')[2]}.py").read_text("utf-8")
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    functions = (node for node in next(classes).body if isinstance(node, ast.FunctionDef))
    arguments = next(node for node in functions if node.name == "__init__").args
    names = [argument.arg for argument in arguments.args[1:]]
    values = [ast.literal_eval(default) for default in arguments.defaults]
    return {**dict.fromkeys(names), **dict(zip(names[-len(values) :], values, strict=True))}


def _defaults(path: str) -> Mapping[str, Any]:
    signature = inspect.signature(resolve_name(path))
    return {name: parameter.default for name, parameter in signature.parameters.items()}
