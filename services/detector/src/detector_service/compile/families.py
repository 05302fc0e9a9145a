"""The families that score by themselves, by algorithm: what a combination may have as its members."""

from collections.abc import Mapping

from detector_service.compile.abod import ABOD
from detector_service.compile.cblof import CBLOF
from detector_service.compile.cd import CD
from detector_service.compile.copod import COPOD
from detector_service.compile.ecod import ECOD
from detector_service.compile.family import Family
from detector_service.compile.forest import ISOLATION_FOREST
from detector_service.compile.gmm import GMM
from detector_service.compile.hbos import HBOS
from detector_service.compile.hdbscan import HDBSCAN
from detector_service.compile.inne import INNE
from detector_service.compile.kde import KDE
from detector_service.compile.knn import KNN
from detector_service.compile.kpca import KPCA
from detector_service.compile.loda import LODA
from detector_service.compile.lof import LOF
from detector_service.compile.mad import MAD
from detector_service.compile.mcd import MCD
from detector_service.compile.ocsvm import OCSVM
from detector_service.compile.pca import PCA
from detector_service.compile.qmcd import QMCD
from detector_service.compile.sampling import SAMPLING

SINGLE: Mapping[str, Family] = {
    "ABOD": ABOD,
    "CBLOF": CBLOF,
    "CD": CD,
    "COPOD": COPOD,
    "ECOD": ECOD,
    "GMM": GMM,
    "HBOS": HBOS,
    "HDBSCAN": HDBSCAN,
    "IForest": ISOLATION_FOREST,
    "INNE": INNE,
    "KDE": KDE,
    "KNN": KNN,
    "KPCA": KPCA,
    "LODA": LODA,
    "LOF": LOF,
    "MAD": MAD,
    "MCD": MCD,
    "OCSVM": OCSVM,
    "PCA": PCA,
    "QMCD": QMCD,
    "Sampling": SAMPLING,
}
