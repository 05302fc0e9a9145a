"""Signed artefacts: opened by what scores, verified by the format's own command."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from detector_service.signing import sign_artefact
from detector_service.training import FitRequest, TrainedDetector, fit_detector
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


def test_the_formats_own_command_verifies_the_unpacked_folder(
    trained: TrainedDetector, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "artefact"
    with zipfile.ZipFile(io.BytesIO(sign_artefact(trained.model, trained.manifest, keys[0]))) as archive:
        archive.extractall(folder)
    assert _verify(folder, keys[1]).returncode == 0
    (folder / "manifest.json").write_bytes(b"{}")
    assert _verify(folder, keys[1]).returncode != 0


def _verify(folder: Path, public_key: Path) -> subprocess.CompletedProcess[bytes]:
    options = ["--signature", str(folder / "model.sig"), "--public_key", str(public_key)]
    command = [sys.executable, "-m", "model_signing", "verify", "key", *options, str(folder)]
    return subprocess.run(command, capture_output=True, check=False)


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
