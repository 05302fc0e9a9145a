"""Every format that a table can come in, what is found out about it, and what is refused."""

import gzip
import io
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import polars as pl
import pyarrow as pa
import pytest
from pynomaly_contracts.media import ARROW_STREAM, CSV, EXCEL, JSON, NDJSON, PARQUET

Upload = Callable[..., Awaitable[httpx.Response]]
DATASETS = "/api/v1/datasets"
CSV_TEXT = b"id,price,paid,on\n1,2.5,true,2024-01-31\n2,,false,2024-02-01\n"
FRAME = pl.read_csv(CSV_TEXT, try_parse_dates=True)
TYPES = ["integer", "number", "boolean", "date"]


def parquet() -> bytes:
    FRAME.write_parquet(file := io.BytesIO())
    return file.getvalue()


def arrow_stream() -> bytes:
    FRAME.write_ipc_stream(file := io.BytesIO(), compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


def arrow_file() -> bytes:
    FRAME.write_ipc(file := io.BytesIO(), compression="zstd")
    return file.getvalue()


def excel(**sheets: pl.DataFrame) -> bytes:
    """A workbook as Excel writes it."""
    import xlsxwriter  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no stubs; one fixture needs it

    with xlsxwriter.Workbook(file := io.BytesIO()) as book:
        for name, frame in (sheets or {"Sheet1": FRAME}).items():
            frame.write_excel(book, worksheet=name)
    return file.getvalue()


NDJSON_TEXT = FRAME.with_columns(pl.col("on").cast(pl.String)).write_ndjson().encode()
JSON_TEXT = b"[\n" + b",\n".join(NDJSON_TEXT.splitlines()) + b"\n]\n"
FILES: dict[str, tuple[str, bytes, str]] = {
    "csv": (CSV, CSV_TEXT, "csv"),
    "tsv": ("text/tab-separated-values", CSV_TEXT.replace(b",", b"\t"), "csv"),
    "ndjson": (NDJSON, NDJSON_TEXT, "ndjson"),
    "json": (JSON, JSON_TEXT, "json"),
    "parquet": (PARQUET, parquet(), "parquet"),
    "arrow-stream": (ARROW_STREAM, arrow_stream(), "arrow"),
    "arrow-file": ("application/octet-stream", arrow_file(), "arrow"),
    "excel": (EXCEL, excel(), "excel"),
    "gzip": (CSV, gzip.compress(CSV_TEXT), "csv"),
    "zstd": (CSV, pa.Codec("zstd").compress(CSV_TEXT, asbytes=True), "csv"),
    "gzip-of-parquet": ("application/gzip", gzip.compress(parquet()), "parquet"),
    "ndjson-called-text": ("text/plain", NDJSON_TEXT, "ndjson"),
    "json-called-nothing": ("", JSON_TEXT, "json"),
}


@pytest.mark.parametrize("kind", FILES)
async def test_every_format_gives_the_same_typed_table(kind: str, upload: Upload, client: httpx.AsyncClient) -> None:
    content_type, content, form = FILES[kind]
    answer = await upload(content, content_type=content_type)
    assert answer.status_code == 201, answer.text
    table = answer.json()
    assert [column["type"] for column in table["columns"]] == TYPES
    assert table["source"]["format"] == form
    rows = await client.get(f"{DATASETS}/table/rows", headers={"accept": NDJSON})
    assert rows.text.splitlines()[1] == '{"id":2,"price":null,"paid":false,"on":"2024-02-01"}'


@pytest.mark.parametrize("kind", FILES)
async def test_the_body_can_be_the_file_itself(kind: str, client: httpx.AsyncClient) -> None:
    content_type, content, _ = FILES[kind]
    headers = {"content-type": content_type, "content-encoding": kind if kind in ("gzip", "zstd") else "identity"}
    answer = await client.post(DATASETS, params={"name": "bare"}, content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["n_rows"] == 2
    assert answer.headers["location"] == f"{DATASETS}/{answer.json()['id']}"


async def test_a_bare_body_is_kept_once_per_key(client: httpx.AsyncClient) -> None:
    headers = {"content-type": CSV, "idempotency-key": "same"}
    first, second = [
        await client.post(DATASETS, params={"name": "bare"}, content=CSV_TEXT, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]


async def test_a_bare_body_needs_a_name(client: httpx.AsyncClient) -> None:
    answer = await client.post(DATASETS, content=CSV_TEXT, headers={"content-type": CSV})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.name"


async def test_an_encoding_of_the_body_that_is_not_read_is_said(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        DATASETS, params={"name": "a"}, content=CSV_TEXT, headers={"content-type": CSV, "content-encoding": "br"}
    )
    assert answer.status_code == 415
    assert "br" in answer.json()["detail"]


async def test_what_was_found_out_about_a_csv_file_is_said(upload: Upload) -> None:
    answer = await upload("stad;prijs\nOslo;1.234,5\nRome;0,25\n".encode("utf-16"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["source"] == {
        "format": "csv",
        "compression": None,
        "delimiter": ";",
        "decimal": ",",
        "header": True,
        "encoding": "utf-16",
        "null_words": ["", "nan", "na", "n/a", "null", "none"],
        "sheet": None,
        "origin": None,
    }


async def test_decimal_commas_are_numbers_and_dots_beside_them_divide_thousands(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    answer = await upload(b"price;stock;code\n1.234,5;1.234;a\n-0,25;17;b\nNA;2.000.000;c\n")
    assert [column["type"] for column in answer.json()["columns"]] == ["number", "integer", "string"]
    rows = await client.get(f"{DATASETS}/table/rows")
    assert rows.text == "price,stock,code\n1234.5,1234,a\n-0.25,17,b\n,2000000,c\n"


async def test_a_column_with_decimal_points_keeps_them_beside_decimal_commas(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(b"price;share\n1,5;0.25\n2,5;0.125\n")
    assert (await client.get(f"{DATASETS}/table/rows")).text == "price,share\n1.5,0.25\n2.5,0.125\n"


async def test_what_is_said_of_a_file_goes_before_what_looks_right(upload: Upload, client: httpx.AsyncClient) -> None:
    content = "Zürich,-999\n7,3\n".encode("cp1252")
    answer = await upload(
        content, encoding="cp1252", header="false", null_words="-999,?", delimiter="comma", decimal="."
    )
    assert answer.status_code == 201, answer.text
    rows = await client.get(f"{DATASETS}/table/rows")
    assert rows.text == "column_1,column_2\nZürich,\n7,3\n"


async def test_a_file_without_a_header_gets_names(upload: Upload) -> None:
    answer = await upload(b"0.5,17\n0.25,18\n")
    assert answer.json()["source"]["header"] is False
    assert [column["name"] for column in answer.json()["columns"]] == ["column_1", "column_2"]
    assert answer.json()["n_rows"] == 2


@pytest.mark.parametrize("names", [["2023", "2024"], ["0", "1", "2"], ["1", "2"]], ids=["years", "from-0", "from-1"])
async def test_years_and_the_numbers_of_columns_are_names(names: list[str], upload: Upload) -> None:
    answer = await upload(f"{','.join(names)}\n{','.join('5' for _ in names)}\n".encode())
    assert [column["name"] for column in answer.json()["columns"]] == names


async def test_a_sheet_can_be_chosen(upload: Upload) -> None:
    content = excel(first=pl.DataFrame({"a": [1]}), second=pl.DataFrame({"b": ["x", "y"]}))
    answer = await upload(content, sheet="second", content_type=EXCEL)
    assert answer.json()["source"]["sheet"] == "second"
    assert [column["name"] for column in answer.json()["columns"]] == ["b"]


async def test_columns_that_some_json_rows_lack_are_missing_there(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b'{"a": 1}\n{"b": 2.5, "a": 18446744073709551616}\n\n', content_type=NDJSON)
    rows = await client.get(f"{DATASETS}/table/rows")
    assert rows.text == "a,b\n1.0,\n1.8446744073709552e+19,2.5\n"


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "gzip-cut-short": ({"content": gzip.compress(CSV_TEXT)[:-9]}, 422, "cut short"),
    "gzip-then-junk": ({"content": gzip.compress(CSV_TEXT) + b"junk"}, 422, "corrupt"),
    "gzip-in-gzip": ({"content": gzip.compress(gzip.compress(CSV_TEXT))}, 422, "line 1"),
    "zip": ({"content": b"PK\x03\x04rest"}, 422, "Excel"),
    "zip-of-something": ({"content": "zip"}, 422, "no Excel workbook"),
    "old-excel": ({"content": b"\xd0\xcf\x11\xe0" * 9}, 415, "old Excel"),
    "sheet": ({"content": excel(), "sheet": "third"}, 422, "it has Sheet1"),
    "sheet-of-nul": ({"content": excel(), "sheet": "a\0"}, 422, "sheet"),
    "null-word-of-nul": ({"content": CSV_TEXT, "null_words": "a,\0"}, 422, "null_words"),
    "encoding-of-nul": ({"content": CSV_TEXT, "encoding": "a\0"}, 422, "encoding"),
    "encoding": ({"content": CSV_TEXT, "encoding": "klingon"}, 422, "is no encoding"),
    "encoding-of-host-names": ({"content": CSV_TEXT, "encoding": "punycode"}, 422, "is no encoding"),
    "codec-that-is-no-text": ({"content": CSV_TEXT, "encoding": "zlib"}, 422, "is no encoding"),
    "wrong-encoding": ({"content": b"a,b\n1,\x81\n", "encoding": "cp1252"}, 422, "is not cp1252"),
    "format": ({"content": CSV_TEXT, "format": "xml"}, 422, "format"),
    "said-parquet": ({"content": CSV_TEXT, "format": "parquet"}, 422, "not readable Parquet"),
    "said-arrow": ({"content": CSV_TEXT, "format": "arrow"}, 422, "not readable Arrow"),
    "said-arrow-and-empty": ({"content": b"", "format": "arrow"}, 422, "too short"),
    "arrow-file-of-its-magic-alone": ({"content": b"ARROW1"}, 422, "too short"),
    "said-excel": ({"content": CSV_TEXT, "format": "excel"}, 422, "not a readable Excel"),
    "said-json": ({"content": CSV_TEXT, "format": "json"}, 422, "not a JSON array"),
    "arrow-cut-short": ({"content": arrow_stream()[:-60]}, 422, "not a readable Arrow"),
    "arrow-file-cut-short": ({"content": arrow_file()[:-60]}, 422, "not readable Arrow"),
    "json-of-numbers": ({"content": b"[1, 2]", "format": "json"}, 422, "is no object"),
    "json-open": ({"content": b'[{"a": 1}', "format": "json"}, 422, "not a JSON array"),
    "json-deep": ({"content": b"[" * 100_000, "format": "json"}, 422, "not a JSON array"),
    "line-deep": ({"content": b'{"a":' * 100_000}, 422, "line 1"),
    "line-cut": ({"content": b'{"a": 1}\n{"a": \n'}, 422, "line 2"),
    "line-blank": ({"content": b'{"a": 1}\n\n{"a": 2}\n'}, 422, "line 2 is blank"),
    "key-twice": ({"content": b'{"a": 1}\n{"a": 1, "a": 2}\n'}, 422, "twice"),
    "nan": ({"content": b'{"a": NaN}\n'}, 422, "line 1"),
    "nested": ({"content": b'{"a": 1}\n{"a": {"b": 1}}\n'}, 422, "line 2, column 'a' holds an object"),
    "mixed": ({"content": b'{"a": 1}\n{"a": "x"}\n'}, 422, "whole numbers (line 1), text (line 2)"),
    "not-utf-8": ({"content": b'{"a": "\xff"}\n'}, 422, "line 1"),
    "infinite": ({"content": b'{"a": 1}\n{"a": 1e999}\n'}, 422, "line 2"),
    "long-number": ({"content": b'{"a": ' + b"1" * 300 + b"}\n"}, 422, "InvalidNumber"),
    "half-a-pair": ({"content": rb'{"a": "\ud800"}'}, 422, "line 1"),
    "columns-without-end": ({"content": b"".join(b'{"c%d": 1}\n' % n for n in range(51))}, 422, "51 columns"),
    "no-columns": ({"content": b"{}\n{}\n", "format": "ndjson"}, 422, "no columns"),
    "no-lines": ({"content": b"", "format": "ndjson"}, 422, "no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_file_that_is_not_what_it_seems_is_refused_with_the_reason(
    case: str, upload: Upload, stored_files: Callable[[], list[str]]
) -> None:
    fields, status, said = REFUSED[case]
    if fields["content"] == "zip":
        with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
            archive.writestr("a.csv", CSV_TEXT)
        fields = {"content": file.getvalue()}
    answer = await upload(fields["content"], **{name: value for name, value in fields.items() if name != "content"})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert stored_files() == []
