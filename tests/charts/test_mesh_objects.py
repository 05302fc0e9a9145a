"""What the charts tell Istio."""

from typing import TYPE_CHECKING, Any

import pytest
from pynomaly_contracts.headers import INTERNAL
from pynomaly_contracts.routes import GRPC_PORT, GRPC_ROUTES, PURE_POSTS, ROUTES, Route, Service

if TYPE_CHECKING:
    from tests.charts.conftest import Render

TABLE = ROUTES + GRPC_ROUTES
SERVICES = [str(service) for service in Service]
INGRESS = "cluster.local/ns/istio-system/sa/istio-ingressgateway"
RETRIED = {"attempts": 1, "retryOn": "connect-failure,refused-stream"}
Object = dict[str, Any]


def routes(render: "Render", service: str, *values: str, where: str = "routes") -> list[Object]:
    found = render(service, *values).one("VirtualService", f"{service}-{where}")
    http: list[Object] = found["spec"]["http"]
    return http


def rule_of(http: list[Object], method: str, path: str) -> Object:
    """The first rule that takes the request."""
    return next(rule for rule in http if any(takes(match, method, path) for match in rule.get("match", [{}])))


def takes(match: Object, method: str, path: str) -> bool:
    uri = match.get("uri", {})
    fits = path == uri.get("exact", path) and path.startswith(uri.get("prefix", ""))
    return fits and "headers" not in match and method in match.get("method", {"regex": method})["regex"].split("|")


def test_the_door_hands_every_prefix_to_its_owner_longest_first(render: "Render") -> None:
    http = render("platform").one("VirtualService", "pynomaly-routes")["spec"]["http"]
    prefixes = [each["match"][0]["uri"].get("exact", "") for each in http]
    assert prefixes == sorted(prefixes, key=len, reverse=True)
    owners = {each["match"][0]["uri"].get("exact"): each["delegate"]["name"] for each in http}
    assert owners == {route.prefix: f"{route.owner}-routes" for route in TABLE} | {None: "gateway-routes"}
    for each, prefix in zip(http[:-1], prefixes, strict=False):
        assert each["match"] == [{"uri": {"exact": prefix}}, {"uri": {"prefix": f"{prefix}/"}}]


def test_nobody_outside_sets_who_they_are(render: "Render") -> None:
    for each in render("platform").one("VirtualService", "pynomaly-routes")["spec"]["http"]:
        assert set(INTERNAL) < set(each["headers"]["request"]["remove"])
        assert each["headers"]["response"]["set"]["strict-transport-security"].startswith("max-age=31536000")


def test_the_door_has_tls_and_sends_plain_requests_there(render: "Render") -> None:
    door = render("platform").one("Gateway", "pynomaly-gateway")
    https, http = door["spec"]["servers"]
    assert https["tls"] == {"mode": "SIMPLE", "credentialName": "pynomaly-tls", "minProtocolVersion": "TLSV1_2"}
    assert http["tls"] == {"httpsRedirect": True}
    assert "api.pynomaly.com" in https["hosts"]


def test_in_the_mesh_all_is_encrypted_and_nothing_is_allowed_by_default(render: "Render") -> None:
    found = render("platform")
    assert found.one("PeerAuthentication", "default")["spec"] == {"mtls": {"mode": "STRICT"}}
    assert found.one("AuthorizationPolicy", "deny-all")["spec"] == {}
    assert found.one("NetworkPolicy", "default-deny")["spec"]["podSelector"] == {}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("where", ["routes", "mesh"])
def test_the_header_chooses_before_the_weights_do(service: str, where: str, render: "Render") -> None:
    http = routes(render, service, "canary.enabled=true,canary.tag=next,canary.weight=10", where=where)
    for chosen, shared in zip(http[::2], http[1::2], strict=True):
        assert all(match["headers"] == {"canary": {"exact": "true"}} for match in chosen["match"])
        assert [each["destination"]["subset"] for each in chosen["route"]] == ["v2"]
        weights = {each["destination"]["subset"]: each["weight"] for each in shared["route"]}
        assert weights == {"v1": 90, "v2": 10}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("weight", "rules"), [(0, 2), (50, 4), (100, 2)], ids=["none", "half", "all"])
def test_a_choice_is_kept_while_there_is_one(service: str, weight: int, rules: int, render: "Render") -> None:
    values = f"canary.enabled=true,canary.tag=next,canary.weight={weight},canary.sticky.enabled=true"
    http = routes(render, service, values)
    assert len(http) == rules * len(routes(render, service))


@pytest.mark.parametrize("service", SERVICES)
def test_without_a_canary_all_goes_to_the_stable_version(service: str, render: "Render") -> None:
    found = render(service)
    subsets = found.one("DestinationRule", f"{service}-service")["spec"]["subsets"]
    assert subsets == [{"name": "v1", "labels": {"version": "v1"}}]
    reached = [each["route"] for each in routes(render, service)]
    assert {one["destination"]["subset"] for each in reached for one in each} == {"v1"}


@pytest.mark.parametrize("service", SERVICES)
def test_stable_pods_stand_in_for_a_canary_that_is_not_ready(service: str, render: "Render") -> None:
    rule = render(service, "canary.enabled=true,canary.tag=next").one("DestinationRule", f"{service}-service")
    canary = rule["spec"]["subsets"][1]
    assert canary["labels"] == {"app": f"{service}-service"}
    first = canary["trafficPolicy"]["loadBalancer"]["localityLbSetting"]["failoverPriority"][0]
    assert first == "version=v2"
    assert "outlierDetection" in rule["spec"]["trafficPolicy"]  # without it Istio has no priorities


@pytest.mark.parametrize("service", SERVICES)
def test_what_may_have_been_received_is_not_sent_again(service: str, render: "Render") -> None:
    http = routes(render, service)
    path = next((route.prefix for route in ROUTES if route.owner == service), "/api/v1/users")
    assert rule_of(http, "GET", path)["retries"] == RETRIED
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert rule_of(http, method, f"{path}/x/y")["retries"] == {"attempts": 0}


@pytest.mark.parametrize("method", ["/inference.GRPCInferenceService/ModelInfer", "/grpc.health.v1.Health/Check"])
def test_calls_over_grpc_go_to_its_port(method: str, render: "Render") -> None:
    for where in ("model-routes", "model-mesh"):
        rule = rule_of(render("model").one("VirtualService", where)["spec"]["http"], "POST", method)
        assert {to["destination"]["port"]["number"] for to in rule["route"]} == {GRPC_PORT}


@pytest.mark.parametrize("path", [*sorted(PURE_POSTS), "/v2/models/m/infer"])
def test_a_prediction_changes_nothing_and_may_be_sent_again(path: str, render: "Render") -> None:
    assert rule_of(routes(render, "model"), "POST", path)["retries"] == RETRIED


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("dataset", "POST", "/api/v1/datasets/upload"),
        ("dataset", "GET", "/api/v1/datasets/d/rows"),
        ("detector", "GET", "/api/v1/jobs/j/events"),
        ("model", "POST", "/api/v1/models/m/versions"),
        ("model", "GET", "/api/v1/models/m/versions/1/artefact"),
        ("model", "GET", "/api/v1/predict/stream"),
    ],
    ids=["upload", "rows", "events", "register", "artefact", "stream"],
)
def test_what_streams_has_no_time_limit(service: str, method: str, path: str, render: "Render") -> None:
    assert "timeout" not in rule_of(routes(render, service), method, path)


@pytest.mark.parametrize(
    ("service", "path"),
    [("dataset", "/api/v1/datasets/d/split"), ("detector", "/api/v1/detectors")],
    ids=["split", "new"],
)
def test_other_writes_have_one(service: str, path: str, render: "Render") -> None:
    assert rule_of(routes(render, service, "mesh.timeoutSeconds=7"), "POST", path)["timeout"] == "7s"


@pytest.mark.parametrize("service", SERVICES)
def test_the_promised_annotations_say_what_the_mesh_does(service: str, render: "Render") -> None:
    found = render(service, "mesh.timeoutSeconds=7,mesh.outlierDetection.consecutiveErrors=3")
    said = found.one("Deployment", f"{service}-service")["metadata"]["annotations"]
    assert said == {
        "resilience.pynomaly.com/circuit-breaker": "true",
        "resilience.pynomaly.com/circuit-breaker-threshold": "3",
        "resilience.pynomaly.com/timeout-seconds": "7",
        "resilience.pynomaly.com/retry-max-attempts": "1",
    }
    assert found.one("DestinationRule", f"{service}-service")["spec"]["trafficPolicy"]["outlierDetection"] == {
        "consecutive5xxErrors": 3,
        "interval": "10s",
        "baseEjectionTime": "30s",
        "maxEjectionPercent": 50,
    }


def callers(render: "Render", service: str) -> dict[str, list[str]]:
    """Which paths each principal may call."""
    rules = render(service).one("AuthorizationPolicy", f"{service}-service")["spec"]["rules"]
    return {
        principal.rpartition("/")[2]: rule["to"][0]["operation"].get("paths", ["/*"])
        for rule in rules
        for principal in rule["from"][0]["source"]["principals"]
    }


@pytest.mark.parametrize("service", ["dataset", "detector", "model"])
def test_the_door_lets_in_what_the_table_says(service: str, render: "Render") -> None:
    def covered(table: tuple[Route, ...]) -> list[str]:
        prefixes = [route.prefix for route in table if route.owner == service]
        return [path for prefix in prefixes for path in (prefix, f"{prefix}/*")]

    assert callers(render, service)["istio-ingressgateway"] == covered(TABLE)
    assert set(covered(ROUTES)) < set(callers(render, service)["gateway-service"])


def test_a_service_lets_in_only_who_has_business_there(render: "Render") -> None:
    found = {service: set(callers(render, service)) for service in SERVICES}
    assert found == {
        "dataset": {"istio-ingressgateway", "gateway-service", "detector-service", "detector-worker"},
        "detector": {"istio-ingressgateway", "gateway-service"},
        "model": {"istio-ingressgateway", "gateway-service", "detector-service", "detector-worker"},
        "gateway": {"istio-ingressgateway"},
    }
    assert callers(render, "model")["detector-worker"] == ["/api/v1/models", "/api/v1/models/*"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_network_lets_in_the_same(service: str, render: "Render") -> None:
    found = render(service)
    policy = found.one("NetworkPolicy", f"{service}-service")["spec"]
    pods = {peer["podSelector"]["matchLabels"]["app"] for peer in policy["ingress"][0]["from"] if "podSelector" in peer}
    assert pods == set(callers(render, service)) - {"istio-ingressgateway"}
    assert policy["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("service", SERVICES)
def test_without_a_mesh_there_is_nothing_of_istio(service: str, render: "Render") -> None:
    found = render(service, "mesh.enabled=false")
    assert not [each for each in found if "istio.io" in each["apiVersion"]]
    for name, template in found.pods():
        assert template["metadata"]["labels"]["sidecar.istio.io/inject"] == "false", name


def test_with_identity_the_door_asks_for_a_token(render: "Render") -> None:
    found = render("platform", "identity.enabled=true", "identity.jwksUri=https://keys.example/jwks")
    (rule,) = found.one("RequestAuthentication", "pynomaly-tokens")["spec"]["jwtRules"]
    assert (rule["issuer"], rule["audiences"]) == ("https://api.pynomaly.com", ["pynomaly-api"])
    (denied,) = found.one("AuthorizationPolicy", "token-needed")["spec"]["rules"]
    assert denied["from"][0]["source"] == {"principals": [INGRESS], "notRequestPrincipals": ["*"]}
    assert "/api/v1/auth/*" in denied["to"][0]["operation"]["notPaths"]
