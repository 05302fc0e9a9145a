"""Raw columns that no model takes, refused by name with what to change."""

import math
from typing import Any

import numpy as np
import pytest
from detector_service.compile import Pipeline
from detector_service.compile.pipeline.categories import MAX_CATEGORIES
from detector_service.domain import Unfit
from detector_service.features import SourceColumn
from pynomaly_scoring import Rows


def of_one(values: list[Any], *, texts: bool) -> Rows:
    if texts:
        return Rows(np.empty((len(values), 0)), np.array(values, dtype=np.object_)[:, np.newaxis])
    return Rows(np.array(values, np.float64)[:, np.newaxis])


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        (
            {},
            [1.0, math.nan],
            "'c' has a missing value, first in row 2; .*preprocessing.missing to median or indicator",
        ),
        ({"missing": "median"}, [math.nan, math.nan], "'c' has no value in any row"),
        ({"missing": "median"}, [1.0, math.inf], "'c' has an infinite value, first in row 2"),
        ({"scaling": "standard"}, [-1e308, 1e308], "'c' has values up to 1e.308, too large to be scaled"),
        ({"scaling": "quantile"}, [-1e308, 1e308], "'c' has values up to 1e.308, too large to be scaled"),
        ({"type": "string"}, ["x", ""], "'c' has a missing value, first in row 2; .*preprocessing.missing"),
        ({"type": "string", "missing": "median"}, ["", ""], "'c' has no value in any row"),
        ({"type": "string"}, [str(n) for n in range(MAX_CATEGORIES + 1)], "'c' has 10,001 different texts"),
        ({"type": "string"}, ["x" * 2**20, "y"], "of 1,048,577 bytes; a model takes 10,000 of 1,048,576 bytes at most"),
    ],
)
def test_a_column_that_cannot_be_used_is_refused_by_name_with_what_to_change(
    column: dict[str, Any], values: list[Any], sentence: str
) -> None:
    rows = of_one(values, texts=column.get("type") == "string")
    with pytest.raises(Unfit, match=sentence) as refused:
        Pipeline.fit([SourceColumn(name="c", **column)], rows)
    assert refused.value.refusals[0].field == "c"


def test_more_features_than_a_model_takes_are_refused_by_the_column_that_makes_most() -> None:
    columns = [
        SourceColumn(name=f"c{number}", type="string", categories="onehot", max_categories=256) for number in range(5)
    ]
    texts = np.array([[f"t{row % (250 + column)}" for column in range(5)] for row in range(510)], dtype=np.object_)
    with pytest.raises(Unfit, match=r"1,265 features, 255 of them column 'c4'.*max_categories"):
        Pipeline.fit(columns, Rows(np.empty((510, 0)), texts))


def test_texts_of_all_columns_together_are_no_more_than_a_manifest_holds() -> None:
    columns = [SourceColumn(name=f"c{number}", type="string") for number in range(3)]
    short = [[f"{row}", f"{row}" + "\u00e9" * 50, f"{row}" + "\u00e9" * 50] for row in range(2_000)]
    with pytest.raises(Unfit, match=r"texts have 1,\d{3},\d{3} bytes .* of them column 'c1'; at most 1,048,576"):
        Pipeline.fit(columns, Rows(np.empty((2_000, 0)), np.array(short, dtype=np.object_)))
