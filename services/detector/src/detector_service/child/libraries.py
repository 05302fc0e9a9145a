"""What a child in reserve reads before there is work: what most work needs, and seconds of it."""

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder

_MOST_WORK = (
    "pyod.models.iforest",
    "detector_service.child.train",
    "detector_service.child.evaluate",
    "detector_service.child.detect_batch",
    "detector_service.child.exchange",
    "detector_service.compile",
    "model_signing.signing",
    "pynomaly_scoring.forests.webassembly",
)


class _NoFrames(MetaPathFinder):
    """Finds that there is no pandas, which scikit-learn would read to know frames by, for half a second: rows are
    arrays here."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}: left out here", name=name)


def leave_out_frames() -> None:
    """From now on."""
    sys.meta_path.insert(0, _NoFrames())


def read_libraries() -> None:
    """Import them."""
    for name in _MOST_WORK:
        import_module(name)
