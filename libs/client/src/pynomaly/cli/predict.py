"""pynomaly predict"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pynomaly.cli.output import Json, show, show_rows
from pynomaly.cli.suite import connect


def predict(
    rows: Annotated[
        str,
        typer.Argument(metavar="ROWS", help="JSON: an object, or a list of objects or lists; @FILE, or - for stdin."),
    ],
    model: Annotated[str | None, typer.Option(help="Id or name; the default model without.")] = None,
    version: Annotated[str | None, typer.Option(help="Number, UUID or alias; the latest without.")] = None,
    confidence: Annotated[bool, typer.Option("--confidence", help="Also how stable the verdict is.")] = False,
    as_json: Json = False,
) -> None:
    """Score rows: '{"age": 0.73, "tsh": 0.0006}'."""
    found = _parsed(rows)
    with connect() as client:
        if not (isinstance(found, list) and found and isinstance(found[0], (list, dict))):
            show(client.predict(found, model, version=version, return_confidence=confidence), as_json)
            return
        answer = client.predict_batch(found, model, version=version, return_confidence=confidence)
    if as_json:
        show(answer, as_json)
        return
    columns = ("raw_score", "prediction", "is_anomaly", *(["confidence"] if confidence else []))
    show_rows(columns, ([getattr(row, name) for name in columns] for row in answer.predictions))


def _parsed(text: str) -> Any:
    try:
        return json.loads(_read(text))
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]!r} cannot be read: {error.strerror}", param_hint="ROWS") from error
    except ValueError as error:
        raise typer.BadParameter(f"{text[:60]!r} is no JSON: {error}", param_hint="ROWS") from error


def _read(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    return Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
