"""What each process says of those that it stands on."""

import httpx
import pytest
from pynomaly_suite import Suite

DATABASE = {("database", "transaction")}
STORAGE = {("storage", "read"), ("storage", "write"), ("storage", "delete")}
JOBS = {("dataset", "rows"), ("dataset", "upload"), ("model", "artefact"), ("model", "register")}
ADMIN = ("/api/v1/admin/reload-config", "/api/v1/admin/feature-flags")
ASKED_BY_THE_DOOR = {
    (service, path) for service in ("dataset", "detector", "model") for path in ("/status", "/openapi.json", *ADMIN)
}
PASSED_ON = {
    "dataset": ("/api/v1/datasets",),
    "detector": ("/api/v1/detectors", "/api/v1/algorithms", "/api/v1/jobs", "/api/v1/detect"),
    "model": (
        "/api/v1/models",
        "/api/v1/predict",
        "/api/v1/deployments",
        "/v2",
        "/v1/models",
        "/invocations",
        "/ping",
        "/version",
    ),
}
STANDS_ON = {
    "gateway": DATABASE | ASKED_BY_THE_DOOR | {(owner, path) for owner, paths in PASSED_ON.items() for path in paths},
    "dataset": DATABASE | STORAGE,
    "detector": DATABASE | {("dataset", "get"), ("model", "get")},
    "worker": DATABASE | STORAGE | JOBS,
    "model": DATABASE | STORAGE,
}


@pytest.mark.parametrize("process", STANDS_ON)
def test_status_shows_each_dependency_with_its_breaker(suite: Suite, process: str) -> None:
    status = httpx.get(suite.ports.url(process) + "/status", timeout=60).raise_for_status().json()
    shown = {(each["dependency"], each["operation"]): each["state"] for each in status["dependencies"]}
    assert shown == dict.fromkeys(STANDS_ON[process], "closed")
    assert status["status"] == "ok"
