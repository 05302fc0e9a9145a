"""Uploads that are refused: each names the fault and where it is, and leaves nothing."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import polars as pl
import pytest

Upload = Callable[..., Awaitable[httpx.Response]]
Stored = Callable[[], list[str]]

BOUNDARY = {"content-type": "multipart/form-data; boundary=b"}
WIDE = ",".join(f"c{i}" for i in range(51)).encode() + b"\n" + b",".join([b"1"] * 51)

CSV_FAULTS = {
    "empty": (b"", "the file is empty", {}),
    "blank": (b"\n\n \n", "the file is empty", {}),
    "header only": (b"a,b\n", "no rows", {"line": 1}),
    "header and blank lines": (b"a,b\n\n\n", "no rows", {"line": 1}),
    "blank first line": (b"\na,b\n1,2\n", "line 1 is empty", {"line": 1}),
    "short row": (b"a,b,c\n1,2,3\n4,5\n", "line 3 has 2 cells, the header names 3 columns", {"line": 3}),
    "long row": (b'a,b\n1,"x\ny"\n1,2,3\n', "line 4 has 3 cells", {"line": 4}),
    "blank row": (b"a,b\n1,2\n\n3,4\n", "line 3 is blank", {"line": 3}),
    "Latin-1": (b"a,b\n1,caf\xe9\n", "line 2 is not UTF-8 at byte 9", {"line": 2, "byte_offset": 9}),
    "UTF-16 without mark": ("a,b\n1,2\n".encode("utf-16-le"), "line 1 has a NUL byte", {"byte_offset": 1}),
    "NUL byte": (b"a,b\n1,2\n3,\x004\n", "line 3 has a NUL byte", {"line": 3, "byte_offset": 10}),
    "repeated name": (b"a,b,a\n1,2,3\n", "2 columns are named 'a'", {"line": 1}),
    "empty name": (b",b\n1,2\n", "column 1 has no name", {"line": 1}),
    "long name": (b"a" * 257 + b",b\n1,2\n", "column 1 has over 256 characters", {"line": 1}),
    "too many columns": (WIDE, "51 columns are over the limit of 50", {}),
    "quote never closed": (b'a,b\n1,2\n3,"x\n4,5\n', "the quote that opens on line 3 is never closed", {"line": 3}),
    "stray quote": (b'a,b\n1,5" pipe\n', "line 2 has a quote in the middle of a cell", {"line": 2}),
    "text after a quote": (b'a,b\n1,"x" y\n', "line 2 has a quote in the middle", {"line": 2}),
    "lines end in CR": (b"a,b\r1,2\r", "lines end in CR alone", {}),
}


@pytest.mark.parametrize("fault", CSV_FAULTS.values(), ids=CSV_FAULTS)
async def test_a_faulty_csv_file_is_refused_by_its_fault(
    upload: Upload,
    client: httpx.AsyncClient,
    stored_files: Callable[[], list[str]],
    fault: tuple[bytes, str, dict[str, object]],
) -> None:
    content, said, where = fault
    answer = await upload(content)
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "/problems/invalid-file"
    assert said in problem["detail"]
    assert problem["errors"][0]["field"] == "body.file"
    assert where.items() <= problem.items()
    assert stored_files() == []
    assert (await client.get("/api/v1/datasets")).json()["items"] == []


async def test_the_line_of_a_fault_is_right_far_into_a_file(upload: Upload) -> None:
    content = b"a,b\n" + b'1,"x\n\ny"\n' * 500_000 + b"1\n"
    assert (await upload(content)).json()["line"] == 1_500_002


@pytest.mark.parametrize(
    ("labels", "said", "row"),
    [
        ("0 1 2", "row 3: 2 is not a label; use 0/1, true/false, yes/no or normal/anomaly", 3),
        ("yes maybe no", "row 2: 'maybe' is not a label", 2),
        ("1 NA 0", "row 2 of column 'y' has no label", 2),
        ("0.5 1 0", "row 1: 0.5 is not a label", 1),
        ("2024-01-01 2024-01-01", "row 1: datetime.date(2024, 1, 1) is not a label", 1),
    ],
)
async def test_a_target_that_is_no_label_is_refused_by_column_value_and_row(
    upload: Upload, stored_files: Callable[[], list[str]], labels: str, said: str, row: int
) -> None:
    content = "x,y\n" + "".join(f"1,{label}\n" for label in labels.split())
    answer = await upload(content.encode(), target_column="y")
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert (answer.json()["column"], answer.json()["row"]) == ("y", row)
    assert answer.json()["errors"][0]["field"] == "body.target_column"
    assert stored_files() == []


async def test_a_target_that_the_file_lacks_is_refused(upload: Upload) -> None:
    answer = await upload(b"a,b\n1,2\n", target_column="label")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "field": "body.target_column",
            "message": "the file has no column 'label'; it has a, b",
            "value": "label",
        }
    ]


async def test_a_name_that_is_taken_is_a_conflict(upload: Upload, stored_files: Callable[[], list[str]]) -> None:
    await upload(b"a,b\n1,2\n")
    answer = await upload(b"a,b\n3,4\n")
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/name-taken"
    assert answer.json()["errors"][0]["value"] == "table"
    assert len(stored_files()) == 1


async def test_of_uploads_at_once_under_one_name_one_is_kept(upload: Upload, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(upload(b"a,b\n1,%d\n" % number) for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert len((await client.get("/api/v1/datasets")).json()["items"]) == 1


@pytest.mark.parametrize("name", ["", "a b", "../etc", "upload", "Default", "0190a0b0-0000-7000-8000-000000000000"])
async def test_a_name_that_cannot_stand_in_a_path_is_refused(upload: Upload, name: str) -> None:
    answer = await upload(b"a,b\n1,2\n", name=name)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.name"


@pytest.mark.parametrize(
    ("content", "content_type", "said"),
    [
        (b"BZh rest", "text/csv", "bzip2; send CSV"),
        (b"<a/>", "application/xml", "application/xml; send CSV"),
        (b"a,b\n1,2\n", "image/png", "image/png; send CSV"),
    ],
)
async def test_an_unknown_content_type_is_refused(upload: Upload, content: bytes, content_type: str, said: str) -> None:
    answer = await upload(content, content_type=content_type)
    assert answer.status_code == 415
    assert said in answer.json()["detail"]


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PAR1" + b"x" * 100 + b"PAR1", "not readable Parquet"),
        (parquet(pl.DataFrame({"a": list(range(1000))}))[:-20], "not readable Parquet"),
        (parquet(pl.DataFrame({"a": [[1], [2]]})), "column 'a' is of type List(Int64)"),
        (parquet(pl.DataFrame({"t": [timedelta(1)]})), "column 't' is of type Duration"),
        (parquet(pl.DataFrame({"a": pl.Series([2**64 - 1], dtype=pl.UInt64)})), "not readable Parquet"),
        (parquet(pl.DataFrame(schema={"a": pl.Int64})), "no rows"),
        (parquet(pl.DataFrame()), "the file has no columns"),
        (parquet(pl.DataFrame({"": [1]})), "column 1 has no name"),
    ],
    ids=["noise", "cut", "lists", "durations", "beyond int64", "no rows", "no columns", "no name"],
)
async def test_a_faulty_parquet_file_is_refused(
    upload: Upload, stored_files: Callable[[], list[str]], content: bytes, said: str
) -> None:
    answer = await upload(content)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert stored_files() == []


FORM_FAULTS = {
    "no file": (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--b--\r\n', 422, "body.file"),
    "unknown field": (
        b'--b\r\nContent-Disposition: form-data; name="tagret"\r\n\r\nx\r\n--b--\r\n',
        422,
        "body.tagret",
    ),
    "a field twice": (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n' * 2, 422, "body.name"),
    "a field too long": (
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"x" * 20_000,
        422,
        "body.name",
    ),
    "not UTF-8": (
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n'
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--\r\n',
        422,
        "body.name",
    ),
    "no end": (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx', 400, None),
    "no form": (b"a,b\n1,2\n", 400, None),
    "nothing": (b"", 400, None),
}


@pytest.mark.parametrize(("body", "status", "field"), FORM_FAULTS.values(), ids=FORM_FAULTS)
async def test_a_faulty_form_is_refused(
    client: httpx.AsyncClient, stored_files: Callable[[], list[str]], body: bytes, status: int, field: str | None
) -> None:
    answer = await client.post("/api/v1/datasets/upload", content=body, headers=BOUNDARY)
    assert answer.status_code == status
    assert [error["field"] for error in answer.json()["errors"]] == ([field] if field else [])
    assert stored_files() == []


@pytest.mark.parametrize("content_type", ["text/csv", "application/json", "multipart/mixed; boundary=b", ""])
async def test_a_body_that_is_no_form_is_refused(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"content-type": content_type}
    answer = await client.post("/api/v1/datasets/upload", content=b"a,b\n", headers=headers)
    assert answer.status_code == 415


async def test_a_form_without_a_boundary_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "multipart/form-data"}
    answer = await client.post("/api/v1/datasets/upload", content=b"a,b\n", headers=headers)
    assert answer.status_code == 400
