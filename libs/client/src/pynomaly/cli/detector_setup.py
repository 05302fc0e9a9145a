"""The options that say how a detector is set up, in one place for every command that takes them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from pynomaly.cli.output import names, pairs
from pynomaly.cli.preprocessing import Categories, Dates, Missing, Scaling, preprocessing

Contamination = Annotated[float | None, typer.Option(help="Expected share of anomalies, over 0 to 0.5.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", metavar="NAME=VALUE", help="Of the algorithm; may be repeated.")
]
Columns = Annotated[str | None, typer.Option(metavar="A,B", help="Features; every column of numbers without.")]
Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD=TARGET",
        help="precision=0.9 or false-alarm-rate=0.01, kept on the labels of the training data; else contamination.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What was said of it; None is what nothing was said of."""

    contamination: Contamination = None
    parameter: Parameters = None
    columns: Columns = None
    missing: Missing = None
    categories: Categories = None
    dates: Dates = None
    scaling: Scaling = None
    threshold: Threshold = None
    seed: Annotated[int | None, typer.Option(help="Of every random choice.")] = None
    description: Annotated[str | None, typer.Option()] = None

    def fields(self) -> dict[str, Any]:
        """As the client's create, update and clone take it."""
        return {
            "contamination": self.contamination,
            "parameters": None if self.parameter is None else parameters(self.parameter),
            "feature_columns": names(self.columns),
            "preprocessing": preprocessing(self.missing, self.categories, self.dates, self.scaling),
            "threshold": None if self.threshold is None else threshold_choice(self.threshold),
            "seed": self.seed,
            "description": self.description,
        }


def takes_setup(command: Callable[..., None]) -> Callable[..., None]:
    """The command as Typer, which reads signatures, can serve it: for its `setup` stand that one's options."""
    options = signature(Setup).parameters

    @wraps(command)
    def called(**given: Any) -> None:
        setup = Setup(**{name: given.pop(name) for name in options})
        command(**given, setup=setup)

    spread: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        spread.extend(options.values() if name == "setup" else [parameter.replace(kind=Parameter.KEYWORD_ONLY)])
    called.__signature__ = signature(command).replace(parameters=spread)  # type: ignore[attr-defined]  # inspect's own way
    return called


def threshold_choice(text: str) -> dict[str, Any]:
    """'precision=0.9', 'false-alarm-rate=0.01' or 'contamination' as the contract has it, which says what is wrong."""
    method, equals, target = text.partition("=")
    return {"method": method.strip().replace("-", "_"), **({"target": target} if equals else {})}


def parameters(texts: list[str]) -> dict[str, Any]:
    """NAME=VALUE texts; a value is JSON where it can be, else the text itself."""
    return {name: _value(text) for name, text in pairs(texts, "--parameter").items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
