"""What a child in reserve reads before there is work: what most work needs, and seconds of it."""

from importlib import import_module

_MOST_WORK = (
    "pyod.models.iforest",
    "detector_service.child.train",
    "detector_service.child.evaluate",
    "detector_service.child.detect_batch",
    "detector_service.child.exchange",
)


def read_libraries() -> None:
    """Import them."""
    for name in _MOST_WORK:
        import_module(name)
