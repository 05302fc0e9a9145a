"""Options that say what becomes of raw columns."""

from typing import Annotated

import typer

Missing = Annotated[
    str | None,
    typer.Option(metavar="reject|median|indicator", help="Missing values: refused, without; or the median stands in."),
]
Categories = Annotated[
    str | None, typer.Option(metavar="onehot|frequency", help="Texts as features; left out, without.")
]
Dates = Annotated[str | None, typer.Option(metavar="parts", help="Dates and times as features; left out, without.")]
Scaling = Annotated[
    str | None, typer.Option(metavar="none|standard|robust|quantile", help="Of numbers; as they are, without.")
]
HINT = "on the command line: --missing, --categories, --dates and --scaling of detect and of detectors create"


def preprocessing(
    missing: str | None, categories: str | None, dates: str | None, scaling: str | None
) -> dict[str, str] | None:
    """What was said of it; nothing, if nothing was."""
    said = {"missing": missing, "categories": categories, "dates": dates, "scaling": scaling}
    return {name: choice for name, choice in said.items() if choice is not None} or None
