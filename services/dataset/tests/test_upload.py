"""Uploads: what becomes of a good file."""

import hashlib
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import polars as pl
import pytest

Upload = Callable[..., Awaitable[httpx.Response]]

EXAMPLES = Path(__file__).parents[3] / "examples" / "data"
MIXED = b"""id,age,score,member,born,seen,city
1,40,1.5,true,1980-01-31,2024-05-06T07:08:09,Oslo
2,,nan,FALSE,1999-12-01,2024-05-06T07:08:09.25,
3, 42 ,1e-3,true,NA,,"Troms\xc3\xb8, ""N""\"
"""


async def test_an_upload_answers_with_the_table_and_where_it_is(upload: Upload) -> None:
    answer = await upload(MIXED, name="people", description="who")
    assert answer.status_code == 201
    dataset = answer.json()
    assert answer.headers["location"] == f"/api/v1/datasets/{dataset['id']}"
    assert (dataset["name"], dataset["description"], dataset["version"]) == ("people", "who", "1")
    assert (dataset["n_rows"], dataset["n_features"]) == (3, 3)
    assert dataset["feature_columns"] == ["id", "age", "score"]
    assert dataset["sha256"] == hashlib.sha256(MIXED).hexdigest()
    assert dataset["size_bytes"] == len(MIXED)


async def test_the_digest_is_of_every_piece_in_its_order(client: httpx.AsyncClient) -> None:
    content = b"n\n" + b"".join(
        b"%d\n" % n for n in range(600_000)
    )  # some megabytes, each written while the next comes
    answer = await client.post("/api/v1/datasets", params={"name": "pieces"}, content=content)
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert answer.json()["size_bytes"] == len(content)
    assert answer.json()["n_rows"] == 600_000


async def test_each_column_gets_the_type_that_all_of_its_cells_have(upload: Upload) -> None:
    columns = (await upload(MIXED)).json()["columns"]
    assert {column["name"]: column["type"] for column in columns} == {
        "id": "integer",
        "age": "integer",
        "score": "number",
        "member": "boolean",
        "born": "date",
        "seen": "datetime",
        "city": "string",
    }


async def test_rows_come_back_typed_with_missing_cells_empty(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(MIXED)
    rows = await client.get("/api/v1/datasets/table/rows", headers={"accept": "application/x-ndjson"})
    frame = pl.read_ndjson(rows.content)
    assert frame["age"].to_list() == [40, None, 42]
    assert frame["score"].to_list() == [1.5, None, 0.001]
    assert frame["member"].to_list() == [True, False, True]
    assert frame["born"].to_list() == ["1980-01-31", "1999-12-01", None]
    assert frame["city"].to_list() == ["Oslo", None, 'Tromsø, "N"']


async def test_text_with_commas_is_no_number_with_a_decimal_comma(upload: Upload) -> None:
    answer = await upload(b"place;list\nKiel, North;1,2,3\nBonn;4\n;nan\n")
    assert [column["type"] for column in answer.json()["columns"]] == ["string", "string"]
    quoted = await upload(b'a,b\n"1,234",1\n"2,345",2\n', name="quoted")
    assert [column["type"] for column in quoted.json()["columns"]] == ["string", "integer"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_the_delimiter_is_found(upload: Upload, delimiter: str) -> None:
    lines = [["a", "b, c" if delimiter != "," else "b"], ["1", "x"], ["2", "y"]]
    answer = await upload("\n".join(delimiter.join(line) for line in lines).encode())
    assert [column["name"] for column in answer.json()["columns"]] == lines[0]


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfa,b\n1,2\n", b"a,b\r\n1,2\r\n", b"a,b\n1,2", b"a,b\n1,2\n\n\r\n\n", b'"a","b"\n"1","2"\n'],
    ids=["byte order mark", "CRLF", "no last line feed", "blank lines at the end", "quotes"],
)
async def test_usual_ways_of_writing_a_file_all_give_the_same_table(
    upload: Upload, client: httpx.AsyncClient, content: bytes
) -> None:
    assert (await upload(content)).status_code == 201
    assert (await client.get("/api/v1/datasets/table/rows")).text == "a,b\n1,2\n"


async def test_a_single_column_needs_no_delimiter_and_keeps_its_blank_cells(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    assert (await upload(b"a\n1\n\n3\n")).json()["n_rows"] == 3
    assert (await client.get("/api/v1/datasets/table/rows")).text == "a\n1\n\n3\n"


async def test_a_type_that_changes_in_the_last_row_counts(upload: Upload) -> None:
    content = b"a,b\n" + b"1,2\n" * 20_000 + b"1.5,x\n"
    columns = (await upload(content)).json()["columns"]
    assert [column["type"] for column in columns] == ["number", "string"]


async def test_numbers_with_leading_zeros_are_codes_and_stay_text(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"zip,n\n0150,0\n9008,10\n")
    assert (await client.get("/api/v1/datasets/table/rows")).text == "zip,n\n0150,0\n9008,10\n"


async def test_infinities_are_kept_and_a_number_beyond_float64_is_one(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(b"a\ninf\n-inf\n1e400\n")
    assert (await client.get("/api/v1/datasets/table/rows")).text == "a\ninf\n-inf\ninf\n"


async def test_text_is_kept_as_it_stands_also_where_it_says_na_or_begins_a_formula(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    content = b'a,b\nNA,=1+1\n none ,"x\ny"\n'
    await upload(content)
    assert (await client.get("/api/v1/datasets/table/rows")).content == content


@pytest.mark.parametrize("name", ["annthyroid", "cardio", "mammography", "thyroid", "vowels"])
async def test_the_example_files_upload_with_their_labels(upload: Upload, client: httpx.AsyncClient, name: str) -> None:
    content = (EXAMPLES / f"{name}.csv").read_bytes()
    answer = await upload(content, name=name, target_column="is_anomaly")
    assert answer.status_code == 201
    rows = (await client.get(f"/api/v1/datasets/{name}/rows")).content
    assert pl.read_csv(rows).equals(pl.read_csv(content))


async def test_parquet_is_taken_by_its_first_bytes_whatever_its_type_says(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [0.5, float("nan")], "c": ["x", None], "d": [True, False]})
    file = io.BytesIO()
    frame.with_columns(pl.col("a").cast(pl.UInt8), pl.col("c").cast(pl.Categorical)).write_parquet(file)
    answer = await upload(file.getvalue(), content_type="application/octet-stream")
    assert [column["type"] for column in answer.json()["columns"]] == ["integer", "number", "string", "boolean"]
    assert (await client.get("/api/v1/datasets/table/rows")).text == "a,b,c,d\n1,0.5,x,true\n2,,,false\n"


@pytest.mark.parametrize("labels", ["0 1", "TRUE false", "Yes no", "anomaly Normal", "1.0 0.0"])
async def test_every_spelling_of_labels_is_a_target(upload: Upload, labels: str) -> None:
    first, second = labels.split()
    answer = await upload(f"x,y\n1,{first}\n2,{second}\n".encode(), target_column="y")
    assert answer.status_code == 201
    assert answer.json()["feature_columns"] == ["x"]


async def test_the_same_key_and_content_gives_the_same_answer_in_another_framing(upload: Upload) -> None:
    headers = {"idempotency-key": "k1"}
    first, again = [await upload(b"a,b\n1,2\n", headers=headers) for _ in range(2)]
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_same_key_with_another_file_is_refused(upload: Upload) -> None:
    headers = {"idempotency-key": "k1"}
    await upload(b"a,b\n1,2\n", headers=headers)
    refused = await upload(b"a,b\n1,3\n", headers=headers)
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/idempotency-key-reused"


async def test_only_the_object_is_left_of_an_upload(upload: Upload, stored_files: Callable[[], list[str]]) -> None:
    dataset = (await upload(MIXED)).json()
    assert stored_files() == [f"default/datasets/{dataset['id']}.parquet"]


async def test_fields_may_come_after_the_file(client: httpx.AsyncClient) -> None:
    files = {"file": ("t.csv", b"a,b\n1,2\n", "text/csv"), "name": (None, b"late", "text/plain")}
    answer = await client.post("/api/v1/datasets/upload", files=files)
    assert answer.json()["name"] == "late"
