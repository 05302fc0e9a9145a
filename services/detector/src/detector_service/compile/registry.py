"""The algorithms that can be compiled. What is here is in the catalogue, and every property test runs over it."""

from collections.abc import Mapping

from detector_service.algorithms import is_installed
from detector_service.compile.bagged import FEATURE_BAGGING
from detector_service.compile.combined import COMBINATION
from detector_service.compile.families import SINGLE
from detector_service.compile.family import Family
from detector_service.compile.networks import NETWORKS

FAMILIES: Mapping[str, Family] = {
    **SINGLE,
    "Combination": COMBINATION,
    "FeatureBagging": FEATURE_BAGGING,
    **(NETWORKS if is_installed("torch") else {}),
}
