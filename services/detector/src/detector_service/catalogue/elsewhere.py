"""PyOD's detectors that are not on offer, and why."""

from collections.abc import Iterator, Mapping
from typing import Literal

from detector_service.catalogue import networks
from detector_service.catalogue.declared import Elsewhere

_UNUSABLE_NETWORKS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ALAD": (
        "leaves units of its networks out at random when it scores, so that the same row scores differently each time",
        ("PCA", "KPCA"),
    ),
    "AnoGAN": (
        "trains on each row that it scores, from where the row before left off, so that a score depends on the order",
        ("PCA", "KPCA"),
    ),
}
_INSTALL = f"pip install 'pynomaly-detector-service[{networks.EXTRA}]'"
_GRAPHS = ("ANOMALOUS", "AnomalyDAE", "CONAD", "CoLA", "DOMINANT", "GUIDE", "Radar", "SCAN")
_SERIES = ("AnomalyTransformer", "KShape", "LSTMAD", "MatrixProfile", "SAND", "SpectralResidual", "TimeSeriesOD")
_MEDIA = {"AudioAE": "sound", "EmbeddingOD": "text and images", "MultiModalOD": "text, images and tables together"}


def _all() -> Iterator[Elsewhere]:
    for name, instead in networks.INSTEAD.items():
        yield _entry(name, "torch", f"needs PyTorch, which is not installed here: {_INSTALL}", instead)
    for name, (reason, instead) in _UNUSABLE_NETWORKS.items():
        yield _entry(name, "not_offered", reason, instead)
    for name in ("MO_GAAL", "SO_GAAL"):
        reason = "scores a row by how real its network holds it to be; on some data that is higher for normal rows"
        yield _entry(name, "not_offered", reason, ("IForest",))
    for name in _GRAPHS:
        yield _entry(name, "not_offered", "scores the nodes of a graph, not the rows of a table", ("LOF", "IForest"))
    for name in _SERIES:
        reason = "scores the moments of a time series in their order, not rows of a table by themselves"
        yield _entry(name, "not_offered", reason, ("IForest", "KNN"))
    for name, media in _MEDIA.items():
        reason = f"scores {media}; rows here are numbers: compute embeddings first, and train on them"
        yield _entry(name, "not_offered", reason, ("KNN", "LOF"))
    for name in ("DevNet", "XGBOD"):
        yield _entry(
            name, "not_offered", "learns from labelled anomalies; training here uses none", ("IForest", "ECOD")
        )
    yield _entry(
        "LSCP",
        "not_offered",
        "draws new random subspaces at every call, so that the same row scores differently each time",
        ("Combination",),
    )
    yield _entry(
        "SUOD",
        "not_offered",
        "replaces detectors by approximations trained on their scores; it needs a package that is no longer kept",
        ("Combination",),
    )


def _entry(name: str, kind: Literal["torch", "not_offered"], reason: str, instead: tuple[str, ...]) -> Elsewhere:
    return Elsewhere(name=name, kind=kind, reason=reason, instead=instead)


ELSEWHERE: tuple[Elsewhere, ...] = tuple(_all())
