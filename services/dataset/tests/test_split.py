"""Splits are partitions, and samples are rows of the table."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import numpy as np
import polars as pl
import pytest
from dataset_service.domain import assign_parts
from hypothesis import given
from hypothesis import strategies as st

Upload = Callable[..., Awaitable[httpx.Response]]
SPLIT = "/api/v1/datasets/table/split"
LABELLED = b"row,y\n" + b"".join(b"%d,%s\n" % (i, b"yes" if i % 10 == 0 else b"no") for i in range(200))

weights = st.lists(st.integers(1, 100), min_size=2, max_size=6)


@given(classes=st.lists(st.integers(0, 4), min_size=1, max_size=300), weights=weights, seed=st.integers(0, 2**32 - 1))
def test_each_row_has_one_part_and_each_class_its_share_to_within_a_row(
    classes: list[int], weights: list[int], seed: int
) -> None:
    fractions = np.array(weights) / sum(weights)
    labels = np.array(classes)
    parts = assign_parts(labels, list(fractions), seed)
    assert parts.shape == labels.shape
    assert set(parts) <= set(range(len(weights)))
    for label in set(classes):
        n_class = int((labels == label).sum())
        for part, fraction in enumerate(fractions):
            n_part = int(((labels == label) & (parts == part)).sum())
            assert abs(n_part - n_class * fraction) < 1 + 1e-6


@given(n_rows=st.integers(2, 200), seed=st.integers(0, 2**32 - 1))
def test_the_same_seed_makes_the_same_parts(n_rows: int, seed: int) -> None:
    classes = np.zeros(n_rows, dtype=np.int64)
    first, again = (assign_parts(classes, [0.7, 0.3], seed) for _ in range(2))
    assert (first == again).all()


def test_another_seed_makes_other_parts() -> None:
    classes = np.zeros(1000, dtype=np.int64)
    assert (assign_parts(classes, [0.5, 0.5], 0) != assign_parts(classes, [0.5, 0.5], 1)).any()


async def rows_of(client: httpx.AsyncClient, name: str) -> pl.DataFrame:
    return pl.read_csv((await client.get(f"/api/v1/datasets/{name}/rows")).content)


async def test_the_parts_are_disjoint_ordered_and_together_the_whole(upload: Upload, client: httpx.AsyncClient) -> None:
    source = (await upload(LABELLED, target_column="y", description="d")).json()
    answer = await client.post(SPLIT, json={"fractions": {"train": 0.7, "test": 0.3}, "stratify_by": "y", "seed": 3})
    assert answer.status_code == 201
    parts = answer.json()["parts"]
    assert {part: made["name"] for part, made in parts.items()} == {"train": "table-train", "test": "table-test"}
    train, test = [await rows_of(client, parts[part]["id"]) for part in ("train", "test")]
    assert (len(train), len(test)) == (parts["train"]["n_rows"], parts["test"]["n_rows"]) == (140, 60)
    assert ((train["y"] == "yes").sum(), (test["y"] == "yes").sum()) == (14, 6)
    assert train["row"].is_sorted()
    assert test["row"].is_sorted()
    assert sorted([*train["row"], *test["row"]]) == list(range(200))
    for made in parts.values():
        assert (made["source_dataset_id"], made["target_column"]) == (source["id"], "y")
        assert made["columns"] == source["columns"]
        assert made["feature_columns"] == ["row"]


async def test_missing_values_are_a_class_of_their_own(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,g\n" + b"1,x\n" * 10 + b"2,\n" * 10)
    await client.post(SPLIT, json={"fractions": {"l": 0.5, "r": 0.5}, "stratify_by": "g"})
    assert (await rows_of(client, "table-l"))["g"].null_count() == 5


async def test_the_same_key_splits_once(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(LABELLED)
    body, headers = {"fractions": {"l": 0.5, "r": 0.5}}, {"idempotency-key": "k"}
    first, again = [await client.post(SPLIT, json=body, headers=headers) for _ in range(2)]
    assert again.content == first.content
    assert len((await client.get("/api/v1/datasets")).json()["items"]) == 3


async def test_of_splits_at_once_one_makes_all_of_its_parts(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(LABELLED)
    bodies = [{"fractions": {"shared": 0.5, f"own{number}": 0.5}} for number in range(3)]
    answers = await asyncio.gather(*(client.post(SPLIT, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    names = {item["name"] for item in (await client.get("/api/v1/datasets")).json()["items"]}
    won = next(number for number, answer in enumerate(answers) if answer.status_code == 201)
    assert names == {"table", "table-shared", f"table-own{won}"}


async def test_where_one_name_is_taken_no_part_is_made(
    upload: Upload, client: httpx.AsyncClient, stored_files: Callable[[], list[str]]
) -> None:
    await upload(LABELLED)
    await upload(LABELLED, name="table-r")
    answer = await client.post(SPLIT, json={"fractions": {"l": 0.5, "r": 0.5}})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "body.fractions.r"
    assert answer.json()["errors"][0]["value"] == "table-r"
    assert len((await client.get("/api/v1/datasets")).json()["items"]) == 2
    assert len(stored_files()) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fractions": {"a": 0.5, "b": 0.5}, "stratify_by": "z"}, "body.stratify_by"),
        ({"fractions": {"a": 0.999, "b": 0.001}}, "body.fractions.b"),
        ({"fractions": {"a": 0.5, "b": 0.6}}, "body"),
        ({"fractions": {"a": 1.0}}, "body.fractions"),
        ({"fractions": {"a" * 125: 0.5, "b": 0.5}}, "body.fractions." + "a" * 125),
    ],
    ids=["unknown column", "a part without rows", "sum over 1", "one part", "name too long"],
)
async def test_a_split_that_cannot_be_is_refused_by_its_field(
    upload: Upload, client: httpx.AsyncClient, body: dict[str, object], field: str
) -> None:
    await upload(LABELLED)
    answer = await client.post(SPLIT, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert len((await client.get("/api/v1/datasets")).json()["items"]) == 1


async def test_stratifying_by_a_column_of_too_many_values_is_refused(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n" + b"".join(b"%d,1\n" % i for i in range(1001)))
    answer = await client.post(SPLIT, json={"fractions": {"l": 0.5, "r": 0.5}, "stratify_by": "a"})
    assert answer.status_code == 422
    assert "has 1001 different values" in answer.json()["detail"]


async def test_a_sample_is_ordered_without_repeats_and_the_same_for_a_seed(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(LABELLED)
    params = {"n": 20, "seed": 5}
    first, again = [(await client.get("/api/v1/datasets/table/sample", params=params)).json() for _ in range(2)]
    assert first == again
    rows = [row["row"] for row in first["rows"]]
    assert len(rows) == first["n_rows"] == 20
    assert rows == sorted(set(rows))
    other = (await client.get("/api/v1/datasets/table/sample", params={"n": 20, "seed": 6})).json()
    assert other["rows"] != first["rows"]


async def test_a_sample_larger_than_the_table_is_the_table(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n1,x\n2,\n")
    sample = (await client.get("/api/v1/datasets/table/sample")).json()
    assert sample["rows"] == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


async def test_a_cut_in_time_gives_the_earliest_rows_to_the_first_part(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    days = ["2024-01-05", "2024-01-01", "2024-01-04", "2024-01-02", "2024-01-03"]
    await upload(("on,x\n" + "\n".join(f"{day},{i}" for i, day in enumerate(days))).encode())
    answer = await client.post(SPLIT, json={"fractions": {"past": 0.6, "future": 0.4}, "order_by": "on"})
    assert answer.status_code == 201, answer.text
    past = (await client.get("/api/v1/datasets/table-past/rows")).text
    assert past == "on,x\n2024-01-01,1\n2024-01-02,3\n2024-01-03,4\n"


@pytest.mark.parametrize(
    ("wanted", "field", "said"),
    [
        ({"order_by": "on"}, "body.order_by", "row 2 has no value"),
        ({"order_by": "nothing"}, "body.order_by", "has no column 'nothing'"),
        ({"order_by": "x", "stratify_by": "x"}, "body", "exclude each other"),
    ],
    ids=["missing", "unknown", "both"],
)
async def test_an_order_that_is_none_is_refused(
    wanted: dict[str, str], field: str, said: str, upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(b"on,x\n2024-01-01,1\n,2\n2024-01-03,3\n")
    answer = await client.post(SPLIT, json={"fractions": {"a": 0.5, "b": 0.5}, **wanted})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert said in answer.json()["errors"][0]["message"]
