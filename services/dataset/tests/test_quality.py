"""Quality reports: figures that a reader can check, and warnings that name their column."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from dataset_service.app import create_app
from dataset_service.settings import Settings

Upload = Callable[..., Awaitable[httpx.Response]]
QUALITY = "/api/v1/datasets/table/quality"


def csv(**columns: list[object]) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]).encode()


async def test_figures_of_a_numeric_column_are_numpys(upload: Upload, client: httpx.AsyncClient) -> None:
    values = [*np.random.default_rng(0).normal(size=400).tolist(), 50.0]
    await upload(csv(x=[*values, ""], t=[*("u" for _ in values), "v"]))
    report = (await client.get(QUALITY)).json()
    x, t = report["columns"]
    assert (report["n_rows"], report["n_missing"]) == (402, 1)
    assert (x["name"], x["type"], x["n_missing"], x["n_distinct"], x["is_constant"]) == ("x", "number", 1, 401, False)
    assert [x["min"], x["max"]] == [min(values), max(values)]
    assert x["mean"] == pytest.approx(np.mean(values))
    assert x["std"] == pytest.approx(np.std(values, ddof=1))
    assert x["n_outside_3_sigma"] == 1
    assert x["quantiles"] == pytest.approx({f"{q:g}": np.quantile(values, q) for q in (0.01, 0.25, 0.5, 0.75, 0.99)})
    assert (t["n_distinct"], t["mean"], t["quantiles"]) == (2, None, None)


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (csv(a=[1, 2, 3], c=[7, 7, 7]), "column 'c' is constant"),
        (csv(a=[1, 2, 3], e=["", "", ""]), "column 'e' is empty"),
        (csv(a=[1, 2, 3], m=["", "", 5]), "column 'm' is mostly missing: 2 of 3 (66.7%), the first in row 1"),
        (csv(a=[1, 2, 3], m=[4, "", 5]), "column 'm' has missing values: 1 of 3 (33.3%), the first in row 2"),
        (csv(a=[1, 2, 3], i=[1.5, "inf", 2.5]), "column 'i' has 1 infinite values"),
        (csv(k=list(range(20)), b=[0.5, 1] * 10), "column 'k' looks like an identifier"),
        (csv(a=[1, 1, 2], b=[0, 0, 0]), "1 of 3 rows repeat an earlier row"),
        (csv(a=["x", "y"], b=["p", "q"]), "no numeric column besides the target"),
    ],
    ids=["constant", "empty", "mostly missing", "missing", "infinite", "identifier", "duplicates", "no numbers"],
)
async def test_a_warning_says_in_words_what_is_the_matter(
    upload: Upload, client: httpx.AsyncClient, content: bytes, warning: str
) -> None:
    await upload(content)
    warnings = (await client.get(QUALITY)).json()["warnings"]
    assert [line for line in warnings if line.startswith(warning)] != []


@pytest.mark.parametrize(
    ("labels", "counts", "warning"),
    [
        (["no"] * 3, {"0": 3, "1": 0}, "target column 'y' has one class only"),
        (["yes", "YES", "no"], {"0": 1, "1": 2}, "target column 'y' marks 66.7% of the rows as anomalies"),
        ([1] + [0] * 2000, {"0": 2000, "1": 1}, "target column 'y' is very imbalanced: 1 anomalies in 2001 rows"),
    ],
)
async def test_the_target_is_counted_by_label_and_warned_of(
    upload: Upload, client: httpx.AsyncClient, labels: list[object], counts: dict[str, int], warning: str
) -> None:
    await upload(csv(x=[i / 7 for i in range(len(labels))], y=labels), target_column="y")
    report = (await client.get(QUALITY)).json()
    assert (report["target_column"], report["target_counts"]) == ("y", counts)
    assert [line for line in report["warnings"] if line.startswith(warning)] != []


async def test_a_sound_table_has_no_warnings(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(csv(x=[i / 7 for i in range(50)], y=[int(i < 5) for i in range(50)]), target_column="y")
    assert (await client.get(QUALITY)).json()["warnings"] == []


async def test_a_table_of_many_columns_is_reported_on_within_seconds(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"max_columns": 10_000}))
    transport = httpx.ASGITransport(app)
    columns: dict[str, list[object]] = {f"c{number}": [number, number / 7, 3] for number in range(2_000)}
    form: dict[str, Any] = {"data": {"name": "table"}, "files": {"file": ("t.csv", csv(**columns), "text/csv")}}
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://d") as client:
        assert (await client.post("/api/v1/datasets/upload", **form)).status_code == 201
        async with asyncio.timeout(20):
            report = (await client.get(QUALITY)).json()
    assert len(report["columns"]) == 2_000


async def test_infinite_values_are_left_out_of_the_figures(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(csv(x=[1.5, "inf", 2.5, "-inf"]))
    x = (await client.get(QUALITY)).json()["columns"][0]
    assert (x["min"], x["max"], x["mean"]) == (1.5, 2.5, 2.0)
