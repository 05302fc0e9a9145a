"""The quality report as a page, and what it plots."""

from collections.abc import Awaitable, Callable
from html.parser import HTMLParser

import httpx
import numpy as np
import polars as pl
import pytest
from dataset_service.distributions import FloatMatrix, correlations, histogram, top_values
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Upload = Callable[..., Awaitable[httpx.Response]]
QUALITY = "/api/v1/datasets/table/quality"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Page(HTMLParser):
    """Its tags, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_a_browser_gets_a_page_that_needs_nothing_else(upload: Upload, client: httpx.AsyncClient) -> None:
    rows = "\n".join(f"{i},{2 * i},{'xy'[i % 2]},{int(i < 3)}" for i in range(50))
    await upload(f"a,b,kind,label\n{rows}\n".encode(), target_column="label")
    answer = await client.get(QUALITY, headers={"accept": BROWSER})
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["vary"] == "accept"
    page = Page(answer.text)
    assert page.tags.count("svg") == 3
    assert page.links == []
    assert "columns 'a' and 'b' say nearly the same: their correlation is 1.000" in page.text
    assert "6.00%" in page.text


async def test_what_the_data_says_is_never_markup(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b'"<script>alert(1)</script>",b\n<img src=x onerror=alert(2)>,1\ny,2\n')
    page = Page((await client.get(QUALITY, headers={"accept": BROWSER})).text)
    assert {"script", "img"} & set(page.tags) == set()
    assert "<img src=x onerror=alert(2)>" in page.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html"])
async def test_programs_get_json(accept: str, upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"a,b\n1,x\n2,x\n4,y\n")
    report = (await client.get(QUALITY, headers={"accept": accept})).json()
    a, b = report["columns"]
    assert sum(a["histogram"]["counts"]) == 3
    assert b["top_values"] == [{"value": "x", "n_rows": 2}, {"value": "y", "n_rows": 1}]


async def test_features_that_say_the_same_are_told_the_strongest_first(
    upload: Upload, client: httpx.AsyncClient
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    columns = np.column_stack((x, -3 * x, x + rng.normal(size=500, scale=0.1), rng.normal(size=500)))
    await upload(b"a,b,c,d\n" + "\n".join(",".join(map(str, row)) for row in columns).encode())
    pairs = (await client.get(QUALITY)).json()["correlated"]
    assert [(pair["first"], pair["second"]) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs[0]["correlation"] == pytest.approx(-1.0)


@given(
    values=hnp.arrays(
        np.float64, st.tuples(st.integers(3, 40), st.just(3)), elements=st.integers(-1000, 1000).map(float)
    )
)
def test_correlations_are_numpys_where_nothing_is_missing(
    values: FloatMatrix,
) -> None:
    with np.errstate(all="ignore"):
        expected = np.nan_to_num(np.corrcoef(values, rowvar=False))
    assert np.allclose(correlations(values), expected, atol=1e-9)


def test_a_missing_value_takes_only_its_own_pairs_away() -> None:
    values = np.array([[1.0, 2.0], [2.0, np.nan], [3.0, 6.0], [4.0, 8.0]])
    assert correlations(values)[0, 1] > 0.98


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50))
def test_a_histogram_counts_every_finite_value(values: list[float]) -> None:
    found = histogram(pl.Series("x", values))
    n_finite = int(np.isfinite(values).sum())
    if found is not None:
        assert sum(found.counts) == n_finite
        assert found.edges == sorted(found.edges)
    else:
        assert n_finite == 0


def test_top_values_of_one_count_are_in_their_own_order() -> None:
    found = top_values(pl.Series("x", ["b", "a", None, "c", "c"]))
    assert [(top.value, top.n_rows) for top in found] == [("c", 2), ("a", 1), ("b", 1)]
