"""Argo Rollouts in place of the Deployments: the API server knows every field, by Argo's own definitions."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.cluster import ensure_cluster
from rig.commands import attempt, run
from rig.installation import CHARTS

pytestmark = pytest.mark.timeout(300)

ARGO = "github.com/argoproj/argo-rollouts@v1.8.3"
NAMES = ("rollouts", "analysistemplates", "analysisruns", "experiments", "clusteranalysistemplates")
CHOICES = [
    *(
        (service, strategy)
        for service in ("dataset", "detector", "model", "gateway")
        for strategy in ("canary", "blueGreen")
    ),
    ("platform", None),
]


@pytest.fixture(scope="module")
def definitions() -> Iterator[None]:
    """Argo's resource definitions, from its Go module; those that were not there go again."""
    ensure_cluster()
    there = set(run("kubectl", "get", "crd", "-o", "name").split())
    folder = Path(json.loads(run("go", "mod", "download", "-json", ARGO))["Dir"]) / "manifests" / "crds"
    for path in sorted(folder.glob("*-crd.yaml")):
        run("kubectl", "apply", "--server-side", "-f", str(path))
    crds = [f"customresourcedefinition.apiextensions.k8s.io/{name}.argoproj.io" for name in NAMES]
    deadline_s = time.monotonic() + 60
    wait = ("kubectl", "wait", "--for=condition=Established", *crds, "--timeout=60s")
    while attempt(*wait).returncode:  # it fails at once where a definition is too new to have conditions at all
        assert time.monotonic() < deadline_s, run(*wait)
    yield
    attempt("kubectl", "delete", *(crd for crd in crds if crd not in there))


@pytest.mark.usefixtures("definitions")
@pytest.mark.parametrize(("chart", "strategy"), CHOICES, ids=[f"{chart}-{strategy}" for chart, strategy in CHOICES])
def test_the_api_server_knows_every_field_of_a_rollout(chart: str, strategy: str | None) -> None:
    settings = ["--set=rollouts.enabled=true", *([f"--set=rollouts.strategy={strategy}"] if strategy else [])]
    objects = run("helm", "template", chart, str(CHARTS / chart), "-n", "default", *settings)
    said = run("kubectl", "apply", "--dry-run=server", "--server-side", "--validate=strict", "-f", "-", given=objects)
    assert ("rollout.argoproj.io" if strategy else "analysistemplate.argoproj.io/success-rate") in said
