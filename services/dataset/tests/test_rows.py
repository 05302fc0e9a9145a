"""Rows out are rows in, in every format."""

import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pytest
from dataset_service.csv_layout import read_layout
from dataset_service.csv_scan import check_csv
from dataset_service.errors import InvalidFile
from dataset_service.ingest import Ingestion
from dataset_service.parquet import read_blocks
from dataset_service.reading import ReadingWanted, UploadFields
from dataset_service.rows import encode_arrow, encode_csv, encode_ndjson, encode_parquet, json_rows, negotiate
from hypothesis import given, settings
from hypothesis import strategies as st
from pynomaly_contracts.media import ARROW_STREAM, CSV, NDJSON, PARQUET

Upload = Callable[..., Awaitable[httpx.Response]]
ROWS = "/api/v1/datasets/table/rows"
N_ROWS: dict[str, Callable[[bytes], int]] = {
    CSV: lambda content: len(content.splitlines()) - 1,
    NDJSON: lambda content: len(content.splitlines()),
    ARROW_STREAM: lambda content: int(pa.ipc.open_stream(content).read_all().num_rows),
}

# Text that is no number, date or boolean, so that its column is text; what CSV finds hard is in it.
texts = st.text(st.sampled_from("ab\"',;\n\r\t |é日"), max_size=8).map(lambda text: "t" + text)
columns: st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]] = st.sampled_from(
    [
        (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
        (pl.Float64, st.floats(allow_nan=False)),
        (pl.Boolean, st.booleans()),
        (pl.String, texts),
        (pl.Date, st.dates()),
        (pl.Datetime("us"), st.datetimes()),
    ]
)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Up to 30 rows of typed columns with missing cells, at least one cell of each column present."""
    n_rows = draw(st.integers(1, 30))
    made: dict[str, pl.Series] = {"row": pl.Series(range(n_rows), dtype=pl.Int64)}
    for number, (kind, values) in enumerate(draw(st.lists(columns, min_size=1, max_size=6))):
        cells = draw(st.lists(st.none() | values, min_size=n_rows - 1, max_size=n_rows - 1))
        made[f"c{number}"] = pl.Series([draw(values), *cells], dtype=kind)
    return pl.DataFrame(made)


def stored(content: bytes, form: str, folder: Path) -> tuple[Path, int]:
    """The content as the service stores it."""
    source, target = folder / "source", folder / "target"
    source.write_bytes(content)
    fields = UploadFields.model_validate({"name": "table", "format": form})
    ingestion = Ingestion(
        *(source, folder / "scratch", target, fields, ""), max_columns=100, max_expanded_bytes=1_000_000
    )
    table, _ = ingestion.run()
    return target, table.n_rows


@settings(max_examples=60, deadline=None)
@given(frame=frames(), group_rows=st.integers(1, 40))
def test_a_frame_comes_back_from_csv_arrow_and_ndjson_as_it_went_in(frame: pl.DataFrame, group_rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        content = b"".join(encode_csv([frame]))
        path, n_rows = stored(content, "csv", Path(name))

        def again() -> Iterator[pl.DataFrame]:
            return read_blocks(path, n_rows, group_rows=group_rows)

        assert pl.concat(again()).equals(frame)
        assert b"".join(encode_csv(again())) == content
        arrow = pa.ipc.open_stream(b"".join(encode_arrow(again()))).read_all()
        assert pl.DataFrame(arrow).equals(frame)
        lines = b"".join(encode_ndjson(again())).splitlines()
        assert [orjson.loads(line) for line in lines] == json_rows(frame)
        parquet = pl.read_parquet(b"".join(encode_parquet(again())))
        assert parquet.equals(frame)


def as_parquet(frame: pl.DataFrame) -> bytes:
    frame.write_parquet(file := io.BytesIO())
    return file.getvalue()


def as_arrow_file(frame: pl.DataFrame) -> bytes:
    frame.write_ipc(file := io.BytesIO())
    return file.getvalue()


def as_arrow_stream(frame: pl.DataFrame) -> bytes:
    return b"".join(encode_arrow([frame[:5], frame[5:]] if frame.height > 5 else [frame]))


@pytest.mark.parametrize(
    ("form", "written"),
    [("parquet", as_parquet), ("arrow", as_arrow_file), ("arrow", as_arrow_stream)],
    ids=["parquet", "arrow-file", "arrow-stream"],
)
@settings(max_examples=30, deadline=None)
@given(frame=frames())
def test_a_frame_comes_back_from_a_typed_file_as_it_went_in(
    form: str, written: Callable[[pl.DataFrame], bytes], frame: pl.DataFrame
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path, n_rows = stored(written(frame), form, Path(name))
        assert pl.concat(read_blocks(path, n_rows, group_rows=7)).equals(frame)


@pytest.mark.parametrize("form", ["ndjson", "json"])
@settings(max_examples=30, deadline=None)
@given(frame=frames())
def test_a_frame_comes_back_from_json_as_it_went_in(form: str, frame: pl.DataFrame) -> None:
    finite = frame.with_columns(cs.float().replace([float("inf"), float("-inf")], [1.0, -1.0]))
    rows = b"".join(encode_ndjson([finite])).splitlines()
    content = b"\n".join(rows) if form == "ndjson" else b"[" + b",\n".join(rows) + b"]"
    with tempfile.TemporaryDirectory() as name:
        path, n_rows = stored(content, form, Path(name))
        assert pl.concat(read_blocks(path, n_rows, group_rows=7)).equals(finite)


@settings(max_examples=200, deadline=None)
@given(content=st.text(st.sampled_from('a1,"\n\r ;'), max_size=40))
def test_whatever_the_scan_lets_through_polars_reads_with_as_many_rows(content: str) -> None:
    # A refusal is as good; a RuntimeError says that the two disagree.
    with tempfile.TemporaryDirectory() as name, suppress(InvalidFile):
        path, n_rows = stored(content.encode(), "csv", Path(name))
        assert pl.scan_parquet(path).select(pl.len()).collect().item() == n_rows >= 1


async def test_csv_is_what_a_caller_without_a_wish_gets(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n1,2\n")
    answer = await client.get(ROWS)
    assert answer.headers["content-type"].startswith(CSV)
    assert answer.headers["content-disposition"] == 'attachment; filename="table.csv"'
    assert answer.headers["vary"] == "accept"


async def test_columns_and_a_range_of_rows_can_be_chosen(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b,c\n" + b"".join(b"%d,%d,x\n" % (i, -i) for i in range(100)))
    answer = await client.get(ROWS, params={"columns": ["b", "a"], "offset": 40, "limit": 2})
    assert answer.text == "b,a\n-40,40\n-41,41\n"


@pytest.mark.parametrize("accept", [CSV, NDJSON, ARROW_STREAM])
async def test_a_range_beyond_the_end_is_empty(upload: Upload, client: httpx.AsyncClient, accept: str) -> None:
    await upload(b"a,b\n1,2\n")
    answer = await client.get(ROWS, params={"offset": 5}, headers={"accept": accept})
    assert answer.status_code == 200
    assert N_ROWS[accept](answer.content) == 0


async def test_infinities_are_words_in_ndjson_and_samples(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a\n1.5\n-inf\n")
    answer = await client.get(ROWS, headers={"accept": NDJSON})
    assert answer.text == '{"a":1.5}\n{"a":"-Infinity"}\n'
    sample = await client.get("/api/v1/datasets/table/sample")
    assert sample.json()["rows"] == [{"a": 1.5}, {"a": "-Infinity"}]


async def test_an_unknown_column_is_refused_by_its_name(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n1,2\n")
    answer = await client.get(ROWS, params={"columns": ["a", "z"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {
        "field": "query.columns",
        "message": "data set 'table' has no column 'z'",
        "value": "z",
    }


async def test_a_column_asked_for_twice_is_refused(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n1,2\n")
    answer = await client.get(ROWS, params={"columns": ["a", "a"]})
    assert answer.status_code == 422


async def test_another_media_type_is_not_acceptable(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n1,2\n")
    answer = await client.get(ROWS, headers={"accept": "application/pdf"})
    assert answer.status_code == 406
    assert answer.json()["type"] == "/problems/not-acceptable"
    assert answer.json()["offered"] == [CSV, NDJSON, ARROW_STREAM, PARQUET]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("*/*", CSV),
        ("text/*", CSV),
        ("application/*", NDJSON),
        ("application/json;q=0.9, application/vnd.apache.arrow.stream;q=0.5, */*;q=0.1", ARROW_STREAM),
        ("text/csv;q=0.2, application/x-ndjson", NDJSON),
        ("Text/CSV; charset=utf-8", CSV),
    ],
)
def test_the_format_wanted_most_is_chosen(accept: str, chosen: str) -> None:
    assert negotiate(accept).media_type == chosen


async def test_many_readers_at_once_get_the_same_rows(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(5000)))
    answers = await asyncio.gather(*(client.get(ROWS) for _ in range(8)))
    assert len({answer.content for answer in answers}) == 1


def test_a_semicolon_inside_cells_does_not_make_it_the_delimiter() -> None:
    layout = read_layout("name,notes\nx,a;b;c\ny,d;e;f\n", ReadingWanted(), max_columns=10)
    assert (layout.delimiter, layout.names) == (",", ("name", "notes"))


def test_the_scan_cuts_off_blank_lines_at_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n\n\r\n\n")
    assert check_csv(path, ReadingWanted(), max_columns=10)[1] == 1
    assert path.read_bytes() == b"\xef\xbb\xbfa,b\n1,2\n"


FORMULAS = b'"=name",text,n\n1,"=1+1",-1\n2,@SUM(A1),-2\n3,+4a,3\n4,-x,4\n5,"\tx",5\n6,a=b,6\n'


async def test_a_name_that_is_escaped_stays_apart_from_the_others(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"=a,'=a\n1,2\n")
    assert (await client.get(ROWS, params={"escape_formulas": True})).text == "''=a,'=a\n1,2\n"


async def test_formulas_are_kept_as_text_and_escaped_where_that_is_asked_for(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(FORMULAS)
    plain = (await client.get(ROWS)).text
    escaped = await client.get(ROWS, params={"escape_formulas": True})
    assert plain.splitlines()[:3] == ["=name,text,n", "1,=1+1,-1", "2,@SUM(A1),-2"]
    rows = ["1,'=1+1,-1", "2,'@SUM(A1),-2", "3,'+4a,3", "4,'-x,4", "5,'\tx,5", "6,a=b,6"]
    assert escaped.text.splitlines() == ["'=name,text,n", *rows]
    assert escaped.headers["etag"] != (await client.get(ROWS)).headers["etag"]
    arrow = await client.get(ROWS, params={"escape_formulas": True}, headers={"accept": ARROW_STREAM})
    assert pa.ipc.open_stream(arrow.content).read_all()["text"][0].as_py() == "=1+1"
