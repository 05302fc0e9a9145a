"""A model says which version of its data set it learnt from, and learns from the one that was asked for."""

import pytest
from pynomaly import Client

FIRST = [{"x": float(i), "y": float(i % 7)} for i in range(60)]
MORE = [{"x": float(-i), "y": float(i % 5)} for i in range(40)]


@pytest.mark.timeout(300)
def test_a_detector_learns_from_the_version_that_is_asked_for(client: Client) -> None:
    dataset = client.datasets.upload(FIRST, "growing")
    made = client.datasets.add_version("growing", MORE)
    assert (made.version, made.n_rows, made.changes.n_rows if made.changes else None) == ("2", 100, 40)
    client.detectors.create("growing", "HBOS")
    learnt = [
        client.detectors.train("growing", dataset.id, dataset_version=version).wait(progress=False)
        for version in ("1", None)
    ]
    assert [result.n_rows for result in learnt] == [60, 100]
    models = [client.models.version("growing", result.model_version) for result in learnt]
    assert [model.dataset_version for model in models] == ["1", "2"]
    assert [each.version for each in client.datasets.versions("growing")] == ["2", "1"]
    assert len(client.datasets.rows("growing", version="1")) == 60
