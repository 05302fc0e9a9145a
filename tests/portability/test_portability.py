"""One graph, other people's runtimes: the scores of WebAssembly and of the C API are ours."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from detector_service.compile.registry import FAMILIES
from detector_service.features import SourceColumn
from detector_service.training.fit import fit_detector
from detector_service.training.request import FitRequest
from pynomaly_scoring import Artefact, Rows, Scorer, Scores

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / "build" / "portability"
LIBRARY = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))
N_TRAIN, N_ROWS = 300, 40
PARAMETERS = {"KPCA": {"n_components": 5}}  # with all components its scores are nothing but rounding
TOLERANCE = 1e-9  # of the score: another instruction set sums in another order


COLUMNS = (
    SourceColumn(name="age", missing="indicator", scaling="quantile"),
    SourceColumn(name="city", type="string", missing="median", categories="onehot"),
    SourceColumn(name="member", type="boolean"),
    SourceColumn(name="born", type="date", scaling="robust"),
)


@dataclass(frozen=True)
class Portable:
    """A graph in a file, rows, and what our own runtime makes of them."""

    model: Path
    rows: Rows
    scores: Scores

    @classmethod
    def train(cls, folder: Path, algorithm: str, rows: Rows, columns: Sequence[SourceColumn]) -> "Portable":
        """On all rows, to score the last of them."""
        wanted = FitRequest(
            algorithm=algorithm,
            parameters=PARAMETERS.get(algorithm, {}),
            contamination=0.1,
            seed=0,
            feature_names=tuple(column.name for column in columns),
            dataset_id="",
            dataset_version="",
            columns=tuple(columns),
        )
        trained = fit_detector(wanted, rows, lambda _stage, _progress: None)
        (folder / "model.onnx").write_bytes(trained.model)
        last = Rows(rows.numeric[-N_ROWS:], None if rows.text is None else rows.text[-N_ROWS:])
        scorer = Scorer(Artefact(trained.manifest, trained.model, "ab" * 32, 1, "cd" * 32))
        return cls(folder / "model.onnx", last, scorer.score_rows(last))


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def numeric(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Portable:
    names = "a" if request.param == "MAD" else "abcd"
    rows = np.random.default_rng(0).standard_t(df=4, size=(N_TRAIN, len(names)))
    columns = [SourceColumn(name=name) for name in names]
    return Portable.train(tmp_path_factory.mktemp("portable"), request.param, Rows(rows), columns)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Portable:
    random = np.random.default_rng(0)
    age, city = random.normal(40, 9, N_TRAIN), random.choice(["Oslo", "Rome", "São Paulo", ""], (N_TRAIN, 1))
    age[::7] = np.nan
    born = random.integers(0, 20_000, N_TRAIN) * 86_400.0
    numbers = np.column_stack([age, random.integers(0, 2, N_TRAIN), born])
    rows = Rows(np.ascontiguousarray(numbers), city.astype(np.object_))
    return Portable.train(tmp_path_factory.mktemp("portable"), "HBOS", rows, COLUMNS)


def assert_same(printed: str, scores: Scores) -> None:
    """Each line is one row: raw_score, prediction, is_anomaly, confidence."""
    assert scores.confidence is not None
    raw_score, prediction, is_anomaly, confidence = np.loadtxt(printed.splitlines(), ndmin=2).T
    scale = float(np.subtract(*np.percentile(scores.raw_score, [75, 25])))
    np.testing.assert_allclose(raw_score, scores.raw_score, rtol=TOLERANCE, atol=TOLERANCE * scale)
    np.testing.assert_allclose(prediction, scores.prediction, atol=1e-6)
    np.testing.assert_allclose(confidence, scores.confidence, atol=1e-6)
    np.testing.assert_array_equal(is_anomaly.astype(bool), scores.is_anomaly)


def printed_by(command: Sequence[str | Path], **environment: str) -> str:
    ran = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def scored_by_webassembly(portable: Portable, rows: Path) -> str:
    numbers = [[None if np.isnan(value) else value for value in row] for row in portable.rows.numeric.tolist()]
    text = None if portable.rows.text is None else portable.rows.text.tolist()
    rows.write_text(json.dumps({"numeric": numbers, "text": text}))
    return printed_by(["node", HERE / "score.mjs", portable.model, rows], INSTALLED=str(INSTALLED))


def test_webassembly_scores_alike(numeric: Portable, tmp_path: Path) -> None:
    assert_same(scored_by_webassembly(numeric, tmp_path / "rows.json"), numeric.scores)


def test_webassembly_takes_texts_and_missing_values_alike(mixed: Portable, tmp_path: Path) -> None:
    assert mixed.rows.text is not None
    assert np.isnan(mixed.rows.numeric).any()
    assert_same(scored_by_webassembly(mixed, tmp_path / "rows.json"), mixed.scores)


def test_the_c_api_scores_alike(numeric: Portable, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.write_bytes(numeric.rows.numeric.astype("<f8").tobytes())
    shape = [str(n) for n in numeric.rows.numeric.shape]
    assert_same(printed_by([INSTALLED / "score", LIBRARY, numeric.model, rows, *shape]), numeric.scores)
