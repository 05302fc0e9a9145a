"""In which format rows come and scores go."""

from collections.abc import Iterator, Mapping

from pynomaly_chassis.accepting import media_ranges
from pynomaly_chassis.problems import HttpProblem, Invalid, UnsupportedMediaType
from pynomaly_contracts.media import ARROW_STREAM, JSON, PARQUET
from pynomaly_scoring import Scores

from model_service.answers import Render, render_many
from model_service.predictions import Block, TableQuestion
from model_service.runtime import ServedModel

TYPES = (JSON, ARROW_STREAM, PARQUET)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MAX_REFERENCE = 128


def media_type(header: str) -> str:
    """Without parameters, in small letters."""
    return header.partition(";")[0].strip().lower()


def sent_type(headers: Mapping[str, str]) -> str:
    """What the body is. Raises UnsupportedMediaType."""
    content_type = headers.get("content-type", "")
    sent = media_type(content_type)
    if sent not in TYPES:
        raise UnsupportedMediaType(f"send one of {', '.join(TYPES)}, not {content_type or 'an untyped body'!r}")
    return sent


def wanted_type(headers: Mapping[str, str], sent: str) -> str:
    """What Accept wants most of what there is, by quality and then by place; what was sent, where it takes anything.

    Raises a 406.
    """
    accept = headers.get("accept", "*/*")
    ranges = media_ranges(accept)
    refused = {wanted for wanted, quality in ranges if quality <= 0}
    for wanted, quality in ranges:
        if quality > 0 and wanted in TYPES:
            return wanted
        if quality > 0 and wanted in {"*/*", "application/*"}:
            offered = [each for each in (sent, *TYPES) if each not in refused]
            if offered:
                return offered[0]
    raise HttpProblem(406, f"answers are {', '.join(TYPES)}, not {accept[:200]!r}", "Not acceptable")


def table_question(sent: str, query: Mapping[str, str]) -> TableQuestion:
    """What the query says of the rows in a table. Raises Invalid."""
    flag = query.get("return_confidence", "false").lower()
    if flag not in _FLAGS:
        raise Invalid.field("query.return_confidence", flag, "true or false")
    read = _read_arrow if sent == ARROW_STREAM else _read_parquet
    return TableQuestion(read, _reference(query, "model_id"), _reference(query, "version"), _FLAGS[flag])


def render_as(wanted: str) -> Render:
    """What writes scores in a format."""
    return {JSON: render_many, ARROW_STREAM: _write_arrow, PARQUET: _write_parquet}[wanted]


def _reference(query: Mapping[str, str], name: str) -> str | None:
    reference = query.get(name)
    if reference is not None and not 1 <= len(reference) <= _MAX_REFERENCE:
        raise Invalid.field(f"query.{name}", reference, f"1 to {_MAX_REFERENCE} characters")
    return reference


def _read_arrow(body: bytes, *, max_rows: int) -> Iterator[Block]:
    from model_service.bulk.tables import read_arrow  # noqa: PLC0415 - pyarrow takes 60 MB, of those who use it

    return read_arrow(body, max_rows=max_rows)


def _read_parquet(body: bytes, *, max_rows: int) -> Iterator[Block]:
    from model_service.bulk.tables import read_parquet  # noqa: PLC0415 - pyarrow takes 60 MB, of those who use it

    return read_parquet(body, max_rows=max_rows)


def _write_arrow(model: ServedModel, scores: Scores, elapsed_s: float) -> bytes:
    from model_service.bulk.answers import write_arrow  # noqa: PLC0415 - pyarrow takes 60 MB, of those who use it

    return write_arrow(model, scores, elapsed_s)


def _write_parquet(model: ServedModel, scores: Scores, elapsed_s: float) -> bytes:
    from model_service.bulk.answers import write_parquet  # noqa: PLC0415 - pyarrow takes 60 MB, of those who use it

    return write_parquet(model, scores, elapsed_s)
