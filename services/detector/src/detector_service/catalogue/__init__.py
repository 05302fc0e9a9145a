"""What the catalogue says of each algorithm beside PyOD's own signatures, and how the two become algorithms.json
and docs/algorithms.md.

Importing PyOD costs some 150 MB, which a process that only validates should not pay: `algorithms.py` reads the
generated file. `python -m detector_service.algorithms --write` renews it.
"""

from detector_service.catalogue.build import build, pyod_detectors, render
from detector_service.catalogue.elsewhere import ELSEWHERE

__all__ = ["ELSEWHERE", "build", "pyod_detectors", "render"]
