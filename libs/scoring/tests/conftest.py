"""A real model, signed by the reference implementation: what every test here starts from."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import model_signing.hashing
import model_signing.signing
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pynomaly_scoring import (
    ArtefactError,
    Limits,
    Manifest,
    ScoreDistribution,
    Scorer,
    TrustedKeys,
    generate_signing_key,
    open_artefact,
    pack,
    rehearse,
)

Sign = Callable[..., bytes]
BuildGraph = Callable[..., onnx.ModelProto]
AssertRefused = Callable[[bytes, str], None]
MAX_GROWTH_MIB = 64

N_FEATURES = 3
OUTPUTS = {
    "raw_score": TensorProto.DOUBLE,
    "prediction": TensorProto.DOUBLE,
    "is_anomaly": TensorProto.BOOL,
    "confidence": TensorProto.DOUBLE,
}


@pytest.fixture(scope="session")
def build_graph() -> BuildGraph:
    """Rows are scored by their sum; prediction is its sigmoid, the threshold 1, confidence half the prediction."""

    def build(n_features: int = N_FEATURES, *, weights_name: str = "weights") -> onnx.ModelProto:
        nodes = [
            helper.make_node("MatMul", ["numeric", weights_name], ["sums"]),
            helper.make_node("Squeeze", ["sums", "axis"], ["raw_score"]),
            helper.make_node("Sigmoid", ["raw_score"], ["prediction"]),
            helper.make_node("Greater", ["raw_score", "threshold"], ["is_anomaly"]),
            helper.make_node("Mul", ["prediction", "half"], ["confidence"]),
        ]
        constants = {
            weights_name: np.ones((n_features, 1)),
            "axis": np.array([1]),
            "threshold": np.array(1.0),
            "half": np.array(0.5),
        }
        graph = helper.make_graph(
            nodes,
            "sum",
            [helper.make_tensor_value_info("numeric", TensorProto.DOUBLE, ["n_rows", n_features])],
            [helper.make_tensor_value_info(name, kind, ["n_rows"]) for name, kind in OUTPUTS.items()],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    return build


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    return Manifest(
        algorithm="IForest",
        parameters={"n_estimators": 100, "max_features": 1.0},
        feature_names=("age", "TSH", "T3 ü"),
        n_features=N_FEATURES,
        contamination=0.1,
        threshold=1.0,
        n_train=100,
        seed=0,
        data_digest="ab" * 32,
        dataset_id="0197a000-0000-7000-8000-000000000000",
        dataset_version="1",
        score_distribution=ScoreDistribution(
            min=-1.0, max=2.5, mean=0.1, std=0.3, quantiles={"0.05": -0.5, "0.5": 0.1}
        ),
        versions={"pyod": "3.6.7", "python": "3.11.7"},
    )


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with private.pem's twin apart, so that the folder can be trusted: secret/key.pem, public/key.pem."""
    folder = tmp_path_factory.mktemp("keys")
    generate_signing_key(folder / "secret" / "key.pem", folder / "public" / "key.pem")
    return folder


@pytest.fixture(scope="session")
def trusted(keys: Path) -> TrustedKeys:
    return TrustedKeys.load(keys / "public")


@pytest.fixture(scope="session")
def sign(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Sign:
    """The bundle that model-signing writes for a folder of these files."""

    def sign(files: Mapping[str, bytes], key: Path = keys / "secret" / "key.pem") -> bytes:
        folder = tmp_path_factory.mktemp("artefact")
        for name, content in files.items():
            (folder / name).write_bytes(content)
        signature = folder / "model.sig"
        hashing = model_signing.hashing.Config().set_ignored_paths(paths=[signature])  # as its command line does
        config = model_signing.signing.Config().set_hashing_config(hashing)
        config.use_elliptic_key_signer(private_key=key).sign(folder, signature)
        return signature.read_bytes()

    return sign


@pytest.fixture(scope="session")
def files(build_graph: BuildGraph, manifest: Manifest, sign: Sign) -> dict[str, bytes]:
    contents = {"model.onnx": build_graph().SerializeToString(), "manifest.json": manifest.to_json()}
    return {**contents, "model.sig": sign(contents)}


@pytest.fixture(scope="session")
def archive(files: dict[str, bytes]) -> bytes:
    return pack(files)


@pytest.fixture(scope="session")
def assert_refused(trusted: TrustedKeys) -> AssertRefused:
    """An archive is refused with that reason on its way to a scorer, and without taking memory for it."""

    def check(archive: bytes, reason: str) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before_kib = peak_kib()
        with pytest.raises(ArtefactError) as refused:
            admit(archive, trusted)
        assert refused.value.reason == reason
        assert str(refused.value)
        assert peak_kib() - before_kib < MAX_GROWTH_MIB * 1024

    return check


def peak_kib() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def admit(archive: bytes, trusted: TrustedKeys) -> None:
    artefact = open_artefact(archive, trusted=trusted, limits=Limits(archive_bytes=2**23))
    artefact.manifest.to_json()
    rehearse(artefact)
    Scorer(artefact)
