"""Who served, as the real processes say it."""

import httpx
import pytest
from pynomaly_suite import Suite


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/v1/datasets", "dataset"),
        ("/api/v1/detectors", "detector"),
        ("/api/v1/models", "model"),
        ("/api/v1/models/no-such-model", "model"),
        ("/health", "gateway"),
    ],
)
def test_every_answer_through_the_door_says_who_gave_it(suite: Suite, path: str, service: str) -> None:
    answer = httpx.get(suite.url + path, headers={"canary": "true"}, timeout=60)
    assert answer.headers.get_list("x-pynomaly-version") == [f"{service}/0.1.0"]
