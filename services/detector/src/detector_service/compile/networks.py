"""The families of neural networks. Compiling them needs no PyTorch, but only its extra brings one to compile."""

from collections.abc import Mapping

from detector_service.compile.autoencoder import AE1SVM, AUTO_ENCODER, VAE
from detector_service.compile.deepsvdd import DEEP_SVDD
from detector_service.compile.dif import DIF
from detector_service.compile.family import Family
from detector_service.compile.lunar import LUNAR

NETWORKS: Mapping[str, Family] = {
    "AE1SVM": AE1SVM,
    "AutoEncoder": AUTO_ENCODER,
    "DIF": DIF,
    "DeepSVDD": DEEP_SVDD,
    "LUNAR": LUNAR,
    "VAE": VAE,
}
