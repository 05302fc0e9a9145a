"""What the charts run: who, how safely, and how it goes and comes."""

from typing import TYPE_CHECKING, Any

import pytest
from pynomaly_contracts.routes import GRPC_PORT, PORTS, Service

if TYPE_CHECKING:
    from tests.charts.conftest import Render, Rendered

SERVICES = [str(service) for service in Service]
CHARTS = [*SERVICES, "dev-backing"]
CANARY = "canary.enabled=true,canary.tag=next"


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
    return found


def environment(template: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in template["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("chart", CHARTS)
def test_every_pod_keeps_to_the_restricted_standard(chart: str, render: "Render") -> None:
    for name, template in render(chart, *([CANARY] if chart in SERVICES else [])).pods():
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"], name
        assert pod["runAsUser"] > 0, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert template["spec"]["automountServiceAccountToken"] is False, name
        for each in containers(template):
            safe = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert each["securityContext"] == safe, name
            assert {"requests", "limits"} <= each["resources"].keys(), name


@pytest.mark.parametrize("service", SERVICES)
def test_no_pod_goes_before_another_has_come(service: str, render: "Render") -> None:
    for each in render(service, CANARY).of("Deployment"):
        assert each["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        pod = each["spec"]["template"]["spec"]
        wait = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = int(environment(each["spec"]["template"])["SHUTDOWN_GRACE_S"]["value"])
        assert pod["terminationGracePeriodSeconds"] > wait + grace


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_answers_at_its_port_by_its_name(service: str, render: "Render") -> None:
    found = render(service)
    port = PORTS[Service(service)]
    entry = found.one("Service", f"{service}-service")["spec"]["ports"][0]
    assert (entry["name"], entry["port"]) == ("http", port)
    template = found.one("Deployment", f"{service}-service")["spec"]["template"]
    listens = template["spec"]["containers"][0]["ports"][0]
    assert listens == {"name": entry["targetPort"], "containerPort": port}
    assert environment(template)["PORT"]["value"] == str(port)


def test_the_model_service_speaks_grpc_at_a_port_of_its_own(render: "Render") -> None:
    found = render("model")
    entry = found.one("Service", "model-service")["spec"]["ports"][1]
    assert (entry["name"], entry["port"]) == ("grpc-inference", GRPC_PORT)  # Istio takes the protocol from the name
    template = found.one("Deployment", "model-service")["spec"]["template"]
    assert template["spec"]["containers"][0]["ports"][1] == {"name": entry["targetPort"], "containerPort": GRPC_PORT}
    assert environment(template)["GRPC_PORT"]["value"] == str(GRPC_PORT)
    lets_in = found.one("NetworkPolicy", "model-service")["spec"]["ingress"][0]["ports"]
    assert [each["port"] for each in lets_in] == [PORTS[Service.MODEL], GRPC_PORT]


@pytest.mark.parametrize("service", SERVICES)
def test_the_canary_is_the_same_pod_with_another_image_and_label(service: str, render: "Render") -> None:
    found = render(service, CANARY)
    stable = found.one("Deployment", f"{service}-service")["spec"]["template"]
    canary = found.one("Deployment", f"{service}-service-canary")["spec"]["template"]
    assert (stable["metadata"]["labels"].pop("version"), canary["metadata"]["labels"].pop("version")) == ("v1", "v2")
    assert stable["metadata"]["labels"] == canary["metadata"]["labels"]
    images = [each["spec"]["containers"][0]["image"] for each in (stable, canary)]
    assert [image.rpartition(":")[2] for image in images] == ["dev", "next"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_schema_is_migrated_before_the_upgrade_by_an_account_that_is_there_before(
    service: str, render: "Render"
) -> None:
    found = render(service, CANARY)
    job = found.one("Job", f"{service}-migrate")
    account = found.one("ServiceAccount", job["spec"]["template"]["spec"]["serviceAccountName"])
    weights = [int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (account, job)]
    assert weights[0] < weights[1] < 0
    for each in (account, job):
        assert each["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith(":next")  # the newest schema, which the older code can live with
    assert container["command"] == ["python", "-m", f"{service}_service", "migrate"]


@pytest.mark.parametrize("service", SERVICES)
def test_without_helm_each_pod_migrates_first(service: str, render: "Render") -> None:
    found = render(service, "migrations.by=init")
    assert not found.of("Job")
    template = found.one("Deployment", f"{service}-service")["spec"]["template"]
    assert [each["name"] for each in template["spec"]["initContainers"]] == ["migrate"]


@pytest.mark.parametrize("service", SERVICES)
def test_settings_reach_the_process_and_change_its_pods(service: str, render: "Render") -> None:
    found, other = render(service, "settings.LOG_LEVEL=DEBUG"), render(service, "settings.LOG_LEVEL=INFO")
    assert found.one("ConfigMap", f"{service}-service")["data"] == {"LOG_LEVEL": "DEBUG"}
    assert checksum(found, service) != checksum(other, service)


def checksum(found: "Rendered", service: str) -> str:
    template = found.one("Deployment", f"{service}-service")["spec"]["template"]
    name: str = template["metadata"]["annotations"]["checksum/settings"]
    return name


@pytest.mark.parametrize("service", SERVICES)
def test_secrets_are_named_and_never_written(service: str, render: "Render") -> None:
    found = render(service, "database.existingSecret=mine")
    assert not found.of("Secret")
    url = environment(found.one("Deployment", f"{service}-service")["spec"]["template"])["DATABASE_URL"]
    assert url["valueFrom"] == {"secretKeyRef": {"name": "mine", "key": "url"}}


def test_external_secrets_make_the_secret_before_the_migration(render: "Render") -> None:
    store = "database.externalSecret.enabled=true,database.externalSecret.storeName=vault"
    found = render("dataset", store, "database.externalSecret.remoteKey=shop/dataset")
    secret = found.one("ExternalSecret", "dataset-database")
    job = found.one("Job", "dataset-migrate")
    weights = [int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (secret, job)]
    assert weights[0] < weights[1]


@pytest.mark.parametrize("service", SERVICES)
def test_the_autoscaler_alone_says_how_many(service: str, render: "Render") -> None:
    found = render(service, "autoscaling.enabled=true,autoscaling.requestsPerSecond=50")
    assert "replicas" not in found.one("Deployment", f"{service}-service")["spec"]
    kinds = [each["type"] for each in found.one("HorizontalPodAutoscaler", f"{service}-service")["spec"]["metrics"]]
    assert kinds == ["Resource", "Pods"]


def test_only_the_worker_has_the_signing_key(render: "Render") -> None:
    holders = [
        name
        for service in SERVICES
        for name, template in render(service, CANARY).pods()
        for volume in template["spec"]["volumes"]
        if volume.get("secret", {}).get("secretName") == "signing-key"
    ]
    assert holders == ["detector-worker"]


@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
@pytest.mark.parametrize("service", SERVICES)
def test_argo_rollouts_take_the_place_of_the_deployment(service: str, strategy: str, render: "Render") -> None:
    found = render(service, f"rollouts.enabled=true,rollouts.strategy={strategy}")
    rollout = found.one("Rollout", f"{service}-service")
    assert rollout["spec"]["strategy"].keys() == {strategy}
    assert [each["metadata"]["name"] for each in found.of("Deployment")] == (
        ["detector-worker"] if service == "detector" else []
    )
    services = {each["metadata"]["name"] for each in found.of("Service")}
    promised = {f"{service}-service-active", f"{service}-service-preview"} if strategy == "blueGreen" else set()
    assert services == {f"{service}-service"} | promised


@pytest.mark.parametrize("service", SERVICES)
def test_settings_are_files_that_a_running_process_reads_again(service: str, render: "Render") -> None:
    found = render(service, "settings.LOG_LEVEL=DEBUG").one("Deployment", f"{service}-service")
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "envFrom" not in container
    assert {"name": "CONFIG_DIR", "value": "/etc/pynomaly/config"} in container["env"]
    assert {"name": "config", "mountPath": "/etc/pynomaly/config", "readOnly": True} in container["volumeMounts"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "config"]
    shared, own = (source["configMap"] for source in volume["projected"]["sources"])
    assert (shared, own) == ({"name": "pynomaly-config", "optional": True}, {"name": f"{service}-service"})


@pytest.mark.parametrize("service", SERVICES)
def test_the_admin_token_is_a_secrets_and_may_be_missing(service: str, render: "Render") -> None:
    found = render(service, "admin.existingSecret=mine").one("Deployment", f"{service}-service")
    token = environment(found["spec"]["template"])["ADMIN_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert token == {"name": "mine", "key": "ADMIN_TOKEN", "optional": True}
