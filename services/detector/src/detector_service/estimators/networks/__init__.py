"""PyOD's neural networks, as detectors that train reproducibly and score in float64. Importing it imports PyTorch."""

from collections.abc import Mapping
from typing import Any

from detector_service.estimators.networks.base import Network, reproducible
from detector_service.estimators.networks.detectors import AE1SVM, DIF, LUNAR, VAE, AutoEncoder, DeepSVDD

NETWORKS: Mapping[str, type[Network]] = {
    "AE1SVM": AE1SVM,
    "AutoEncoder": AutoEncoder,
    "DIF": DIF,
    "DeepSVDD": DeepSVDD,
    "LUNAR": LUNAR,
    "VAE": VAE,
}


def create_network(name: str, arguments: Mapping[str, Any], seed: int) -> Network:
    """An unfitted detector; what it draws, when it is made and when it is fitted, is drawn from the seed."""
    with reproducible(seed):
        network = NETWORKS[name](**arguments)
    network.seed = seed
    return network


__all__ = ["NETWORKS", "Network", "create_network", "reproducible"]
