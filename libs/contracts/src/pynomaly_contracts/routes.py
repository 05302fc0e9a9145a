"""The URL table: which service owns which path. It feeds the gateway's proxy, the charts and the tests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Service(StrEnum):
    """The services of the suite."""

    DATASET = "dataset"
    DETECTOR = "detector"
    MODEL = "model"
    GATEWAY = "gateway"


PORTS: Mapping[Service, int] = {
    Service.DATASET: 8001,
    Service.DETECTOR: 8000,
    Service.MODEL: 8002,
    Service.GATEWAY: 8080,
}
GRPC_PORT = 8003  # the model service's, beside its own


@dataclass(frozen=True)
class Route:
    """A path prefix, whole segments only, and its owner."""

    prefix: str
    owner: Service

    def covers(self, path: str) -> bool:
        return path == self.prefix or path.startswith(self.prefix + "/")


ROUTES: tuple[Route, ...] = (
    Route("/api/v1/datasets", Service.DATASET),
    Route("/api/v1/detectors", Service.DETECTOR),
    Route("/api/v1/algorithms", Service.DETECTOR),
    Route("/api/v1/jobs", Service.DETECTOR),
    Route("/api/v1/detect", Service.DETECTOR),
    Route("/api/v1/models", Service.MODEL),
    Route("/api/v1/predict", Service.MODEL),
    Route("/api/v1/deployments", Service.MODEL),
    Route("/v2", Service.MODEL),
    Route("/v1/models", Service.MODEL),
    Route("/invocations", Service.MODEL),
    Route("/ping", Service.MODEL),
    Route("/version", Service.MODEL),
)

# What the mesh carries beside these: gRPC, whose paths begin with the name of its service.
GRPC_ROUTES: tuple[Route, ...] = (Route("/inference.GRPCInferenceService", Service.MODEL),)

# POSTs that change nothing: they may be retried without an idempotency key.
PURE_POSTS: frozenset[str] = frozenset({"/api/v1/predict", "/api/v1/predict/batch", "/invocations"})
_INFER = re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?/infer|/v1/models/[^/]+:predict")


@lru_cache(maxsize=1024)  # asked for every proxied request, mostly with the same few paths
def route_of(path: str) -> Route | None:
    """The table's row for `path`; None where the gateway itself answers."""
    return next((route for route in ROUTES if route.covers(path)), None)


def owner_of(path: str) -> Service:
    """The service that answers `path`; the gateway owns everything that no other service claims."""
    route = route_of(path)
    return Service.GATEWAY if route is None else route.owner


def is_pure_post(path: str) -> bool:
    """Whether a POST to it changes nothing."""
    return path in PURE_POSTS or _INFER.fullmatch(path) is not None


def is_idempotent(method: str, path: str, *, has_idempotency_key: bool) -> bool:
    """Whether sending the request twice has the effect of sending it once."""
    return method.upper() != "POST" or has_idempotency_key or is_pure_post(path)
