"""Python SDK and command line of the Pynomaly anomaly-detection platform.

    import pynomaly

    with pynomaly.Client() as client:
        dataset = client.datasets.upload("thyroid.csv", target_column="is_anomaly")
        detector = client.detectors.create("thyroid", algorithm="IForest")
        trained = client.detectors.train(detector.id, dataset.id).wait(progress=True)
        print(client.predict({"age": 0.7, "tsh": 0.001, ...}, model_id=trained.model_id))

Names load when they are first used, so that the command starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynomaly import errors as errors
    from pynomaly.client import AsyncClient as AsyncClient
    from pynomaly.client import Client as Client
    from pynomaly.core.exchange import Exchange as Exchange
    from pynomaly.errors import PynomalyError as PynomalyError
    from pynomaly.imports import AsyncImportHandle as AsyncImportHandle
    from pynomaly.imports import ImportHandle as ImportHandle
    from pynomaly.jobs import AsyncJobHandle as AsyncJobHandle
    from pynomaly.jobs import JobHandle as JobHandle
    from pynomaly.rows import Rows as Rows

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "pynomaly.client",
    "AsyncImportHandle": "pynomaly.imports",
    "AsyncJobHandle": "pynomaly.jobs",
    "Client": "pynomaly.client",
    "Exchange": "pynomaly.core.exchange",
    "ImportHandle": "pynomaly.imports",
    "JobHandle": "pynomaly.jobs",
    "PynomalyError": "pynomaly.errors",
    "Rows": "pynomaly.rows",
}
__all__ = [
    "AsyncClient",
    "AsyncImportHandle",
    "AsyncJobHandle",
    "Client",
    "Exchange",
    "ImportHandle",
    "JobHandle",
    "PynomalyError",
    "Rows",
    "errors",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("pynomaly.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pynomaly' has no attribute {name!r}")
