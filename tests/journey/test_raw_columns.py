"""A file as shops export it, with gaps, texts, booleans and dates, from the upload to scored rows."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pynomaly import Client, errors
from pynomaly_suite import Suite

if TYPE_CHECKING:
    from tests.conftest import Pynomaly

N_ROWS = 300
ORDER: dict[str, Any] = {"amount": 20.5, "country": "Norway", "member": True, "placed": "2026-03-04T12:30:00Z"}


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Amounts around 20 from three countries; the last ten rows are of thousands, from a country of their own."""
    random, lines = np.random.default_rng(8), ["amount,country,member,placed,note"]
    for row in range(N_ROWS):
        odd = row >= N_ROWS - 10
        amount = "" if row % 50 == 7 else f"{5000 + row if odd else random.normal(20, 4):.2f}"
        country = "Atlantis" if odd else "" if row % 60 == 11 else random.choice(["Norway", "Italy", "Perú"])
        placed = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=int(random.integers(0, 80_000)))
        lines.append(f"{amount},{country},{str(random.random() < 0.5).lower()},{placed:%Y-%m-%dT%H:%M:%SZ},note {row}")
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def trained(client: Client, orders: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    def train(**preprocessing: Any) -> str:
        name = f"orders-{request.node.name[-20:].strip('_')}"
        dataset = client.datasets.upload(orders, name)
        columns = ["amount", "country", "member", "placed"]
        client.detectors.create(
            name, "HBOS", contamination=0.05, feature_columns=columns, preprocessing=preprocessing or None
        )
        client.detectors.train(name, dataset.id).wait(progress=False)
        return name

    return train


@pytest.mark.timeout(300)
def test_raw_rows_are_scored_over_http_alone_as_in_a_batch(client: Client, trained: Callable[..., str]) -> None:
    name = trained(missing="indicator", scaling="standard")
    rows = [
        ORDER,
        {**ORDER, "amount": None},
        {**ORDER, "country": "Atlantis", "amount": 5100},
        {**ORDER, "country": "Nowhere", "member": None, "placed": None},
    ]
    together = client.predict_batch(rows, name).predictions
    alone = [client.predict(row, name) for row in rows]
    assert [row.raw_score for row in together] == pytest.approx([row.raw_score for row in alone], rel=1e-9)
    assert (together[0].is_anomaly, together[2].is_anomaly) == (False, True)
    assert together[2].prediction > 0.95


@pytest.mark.timeout(300)
def test_a_value_that_the_model_does_not_take_is_named_by_row_and_column(
    client: Client, trained: Callable[..., str]
) -> None:
    name = trained(missing="median", unknown="reject", columns={"member": {"missing": "reject"}})
    for column, value in (("member", None), ("country", "Nowhere")):
        with pytest.raises(errors.ValidationFailed) as refused:
            client.predict_batch([ORDER, {**ORDER, column: value}], name)
        assert refused.value.problem is not None
        assert [error.field for error in refused.value.problem.errors] == [f"body.data.1.{column}"]


@pytest.mark.timeout(300)
def test_a_gap_is_refused_by_default_in_words_that_the_command_line_can_follow(
    pynomaly: "Pynomaly", suite: Suite, orders: Path
) -> None:
    refused = pynomaly("detect", str(orders), PYNOMALY_URL=suite.url)
    assert refused.returncode == 2
    assert "column 'amount' has a missing value, first in row 8" in refused.stderr
    assert "--missing" in refused.stderr
    options = ["--missing", "median", "--categories", "onehot", "--dates", "parts", "--scaling", "standard"]
    found = pynomaly("detect", str(orders), *options, "--contamination", "0.04", "--json", PYNOMALY_URL=suite.url)
    assert found.returncode == 0, found.stderr
    assert '"left_out": {}' in " ".join(found.stdout.split())
