"""Signed artefacts: opened by what scores, verified by the format's own command."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from detector_service.training.fit import TrainedDetector, fit_detector
from detector_service.training.request import FitRequest
from detector_service.training.signing import sign_artefact
from pynomaly_scoring import Scorer, TrustedKeys, generate_signing_key, open_artefact


@pytest.fixture(scope="module")
def trained() -> TrainedDetector:
    request = FitRequest(
        algorithm="IForest",
        parameters={"n_estimators": 20},
        contamination=0.1,
        seed=0,
        feature_names=("x", "y"),
        dataset_id="d",
        dataset_version="1",
    )
    features = np.random.default_rng(0).normal(size=(200, 2))
    return fit_detector(request, features, lambda _stage, _progress: None)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    private, public = tmp_path / "signing.pem", tmp_path / "public.pem"
    generate_signing_key(private, public)
    return private, public


def test_a_signed_artefact_opens_and_scores(trained: TrainedDetector, keys: tuple[Path, Path]) -> None:
    archive = sign_artefact(trained.model, trained.manifest, keys[0])
    artefact = open_artefact(archive, trusted=TrustedKeys.load(keys[1]))
    assert artefact.manifest == trained.manifest
    scores = Scorer(artefact).score(np.array([[0.0, 0.0], [9.0, -9.0]]))
    assert scores.is_anomaly.tolist() == [False, True]
    assert scores.raw_score[1] > trained.manifest.threshold


@pytest.fixture
def folder(trained: TrainedDetector, keys: tuple[Path, Path], tmp_path: Path) -> Path:
    """An artefact, unpacked."""
    unpacked = tmp_path / "artefact"
    with zipfile.ZipFile(io.BytesIO(sign_artefact(trained.model, trained.manifest, keys[0]))) as archive:
        archive.extractall(unpacked)
    return unpacked


def test_the_formats_own_command_accepts_the_unpacked_folder(folder: Path, keys: tuple[Path, Path]) -> None:
    verified = _verify(folder, keys[1])
    assert (verified.returncode, "Verification succeeded" in verified.stdout) == (0, True)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "model.sig"])
def test_the_formats_own_command_refuses_one_changed_byte(folder: Path, keys: tuple[Path, Path], name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    verified = _verify(folder, keys[1])
    assert (verified.returncode, "Verification failed" in verified.stderr) == (1, True)


def test_the_formats_own_command_refuses_another_key(folder: Path, tmp_path: Path) -> None:
    generate_signing_key(tmp_path / "other.pem", tmp_path / "other.pub.pem")
    assert _verify(folder, tmp_path / "other.pub.pem").returncode == 1


def _verify(folder: Path, public_key: Path) -> subprocess.CompletedProcess[str]:
    options = ["--signature", str(folder / "model.sig"), "--public_key", str(public_key)]
    command = [str(Path(sys.executable).with_name("model_signing")), "verify", "key", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_only_the_signature_differs_between_two_signings(trained: TrainedDetector, keys: tuple[Path, Path]) -> None:
    first, second = (
        zipfile.ZipFile(io.BytesIO(sign_artefact(trained.model, trained.manifest, keys[0]))) for _ in range(2)
    )
    assert first.namelist() == second.namelist() == ["manifest.json", "model.onnx", "model.sig"]
    for name in ("manifest.json", "model.onnx"):
        assert first.read(name) == second.read(name)


def test_a_key_that_is_not_there_is_an_error(trained: TrainedDetector, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sign_artefact(trained.model, trained.manifest, tmp_path / "none.pem")
