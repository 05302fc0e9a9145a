"""The SDK against the services that it speaks to: every call of every resource, in both flavours."""

import hashlib
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from pynomaly import AsyncClient, Client
from pynomaly.errors import ArtefactRefused, Conflict, InvalidInput, NotFound, ValidationFailed
from pynomaly_scoring import Scorer, TrustedKeys, generate_signing_key, open_artefact
from pynomaly_suite import Suite

pytestmark = pytest.mark.timeout(600)  # the first test trains, and a busy machine is no defect
DATA = Path(__file__).parents[2] / "examples" / "data" / "vowels.csv"


@pytest.fixture(scope="module")
def trained(suite: Suite) -> str:
    """The name of a data set, its detector and its model, which is trained twice."""
    with Client(suite.url) as client:
        dataset = client.datasets.upload(DATA, "sdk", target_column="is_anomaly", description="vowels")
        detector = client.detectors.create("sdk", algorithm="HBOS", contamination=0.05)
        for _ in range(2):
            client.detectors.train(detector.id, dataset.id).wait(progress=False)
    return "sdk"


def test_a_data_set_is_found_read_cut_and_deleted(client: Client, trained: str, tmp_path: Path) -> None:
    dataset = client.datasets.get(trained)
    assert dataset == client.datasets.get(dataset.id)
    assert dataset.id in [each.id for each in client.datasets.list(name="sdk")]
    assert client.datasets.quality(dataset.id).n_rows == dataset.n_rows
    assert client.datasets.sample(dataset.id, n=3, seed=1) == client.datasets.sample(dataset.id, n=3, seed=1)
    parts = client.datasets.split(dataset.id, {"a": 0.25, "b": 0.75}, stratify_by="is_anomaly")
    assert sum(part.n_rows for part in parts.values()) == dataset.n_rows
    frame = client.datasets.rows(dataset.id).to_polars()
    assert frame.equals(pl.read_csv(DATA))
    assert pl.read_csv(client.datasets.download(dataset.id, tmp_path / "copy.csv")).equals(frame)
    client.datasets.delete(parts["a"].id)
    with pytest.raises(NotFound):
        client.datasets.get(parts["a"].id)


def test_a_detector_is_changed_evaluated_and_deleted(client: Client, trained: str) -> None:
    detector = client.detectors.get(trained)
    assert (detector.state, detector.latest_version) == ("trained", "2")
    assert client.detectors.update(detector.id, contamination=0.1).contamination == 0.1
    evaluated = client.detectors.evaluate(detector.id, trained).wait(progress=False)
    assert 0.5 < evaluated.roc_auc < 1
    confusion = evaluated.confusion
    assert confusion.true_positives + confusion.false_negatives == evaluated.n_anomalies
    spare = client.detectors.create("sdk-spare", algorithm="PCA")
    client.detectors.delete(spare.id)
    assert "sdk-spare" not in [each.name for each in client.detectors.list()]
    assert {each.name for each in client.algorithms.list()} >= {"IForest", "ECOD", "HBOS", "KNN", "LOF", "PCA"}
    assert "n_bins" in client.algorithms.get("HBOS").parameters_schema["properties"]


def test_detectors_are_cloned_trained_again_and_compared(client: Client, trained: str) -> None:
    clone = client.detectors.clone(trained, "sdk-clone", seed=1)
    assert (clone.cloned_from, clone.algorithm, clone.seed) == (client.detectors.get(trained).id, "HBOS", 1)
    client.detectors.train(clone.id, trained).wait(progress=False)
    result = client.detectors.retrain(clone.id).wait(progress=False)
    assert (result.model_version, result.before is not None) == ("2", True)
    assert result.before is not None
    assert (result.before.agreement, result.before.n_compared) == (1.0, result.n_rows)
    assert client.models.version("sdk-clone", "2").lineage.retrained_from == "1"
    evaluated = [each.model_version for each in client.detectors.evaluations(clone.id)]
    assert evaluated == ["2", "1"]
    found = client.detectors.compare([clone.id, trained], trained)
    assert {item.name for item in found.items} == {"sdk-clone", "sdk"}
    assert found.items[1].difference_interval is not None
    with pytest.raises(NotFound, match="nobody"):
        client.detectors.compare([trained, "nobody"], trained)


def test_a_job_is_followed_and_listed(client: Client, trained: str) -> None:
    handle = client.detect_batch(trained, trained, name="sdk-scored")
    states = [job.state for job in client.jobs.events(handle.id)]
    assert states[-1] == "succeeded"
    result = handle.wait(progress=False)
    assert handle.id in [job.id for job in client.jobs.list(kind="detect_batch", state="succeeded")]
    scored = client.datasets.rows(result.dataset_id).to_polars()
    assert scored[result.score_columns["is_anomaly"]].sum() == result.n_anomalies
    with pytest.raises(Conflict):
        client.jobs.cancel(handle.id)


def test_a_data_set_is_scored_against_itself(client: Client, trained: str) -> None:
    client.detectors.create("sdk-chains", algorithm="COF", contamination=0.05)
    with pytest.raises(Conflict, match="detector_id"):
        client.detectors.train("sdk-chains", trained)
    result = client.detect_batch(trained, detector_id="sdk-chains").wait(progress=False)
    scored = client.datasets.rows(result.dataset_id).to_polars()
    assert result.model_id is None
    assert scored[result.score_columns["is_anomaly"]].sum() == result.n_anomalies > 0
    with pytest.raises(InvalidInput, match="either model_id or detector_id"):
        client.detect_batch(trained)


def test_a_version_is_named_loaded_and_scored_by(client: Client, trained: str) -> None:
    assert [each.version for each in client.models.versions(trained)] == ["2", "1"]
    client.models.set_alias(trained, "champion", "2", expected_version=None)
    client.models.set_alias(trained, "champion", "1", expected_version="2", reason="fewer false alarms")
    with pytest.raises(Conflict, match="expected at 2"):
        client.models.set_alias(trained, "champion", "2", expected_version="2")
    assert client.models.get(trained).aliases == {"champion": "1"}
    assert [alias.reason for alias in client.models.aliases(trained)] == ["fewer false alarms"]
    moves = [(move.from_version, move.to_version) for move in client.models.alias_history(trained, "champion")]
    assert moves == [("2", "1"), (None, "2")]
    assert client.models.version(trained, "champion").version == "1"
    assert client.models.load(trained, "1").loaded
    row = dict.fromkeys(client.models.version(trained, "1").feature_names, 0.5)
    assert client.predict(row, trained, version="champion").model_version == "1"
    with pytest.raises(Conflict):
        client.predict(row)
    client.models.set_default(trained)
    assert client.predict(row).model_version == "2"
    client.models.pin(trained, "1")
    client.models.unload(trained)
    assert (client.models.serving(trained, "1").desired, client.models.serving(trained, "1").state) == (
        "pinned",
        "loaded",
    )
    with pytest.raises(Conflict, match=r"DELETE /api/v1/models/.*/aliases/champion"):
        client.models.delete_version(trained, "1")
    client.models.unpin(trained, "1")
    client.models.delete_alias(trained, "champion")
    with pytest.raises(NotFound):
        client.predict(row, trained, version="champion")
    with pytest.raises(ValidationFailed, match="f13"):
        client.predict({**row, "f13": 1.0}, trained)


def test_a_version_tells_where_it_comes_from_and_what_was_noted(client: Client, trained: str) -> None:
    version = client.models.version(trained, "1")
    dataset, detector = client.datasets.get(trained), client.detectors.get(trained)
    lineage = version.lineage
    assert (lineage.dataset_id, lineage.dataset_name, lineage.dataset_sha256) == (dataset.id, trained, dataset.sha256)
    assert (lineage.detector_id, lineage.detector_name) == (str(detector.id), trained)
    assert lineage.job_id in {str(job.id) for job in client.jobs.list(kind="train")}
    assert client.models.version(trained, "2").lineage.previous_version == "1"
    noted = client.models.update_version(trained, "1", notes="the first", labels={"stage": "review"})
    assert (noted.notes, noted.labels, noted.digest) == ("the first", {"stage": "review"}, version.digest)
    assert client.models.update_version(trained, "1", notes=None).labels == {"stage": "review"}


def test_a_download_is_checked_against_digest_and_signature(
    client: Client, suite: Suite, trained: str, tmp_path: Path
) -> None:
    whole = client.models.download(trained, "1", tmp_path / "a.zip", trusted_keys=suite.home.trusted_keys)
    assert hashlib.sha256(whole.read_bytes()).hexdigest() == client.models.version(trained, "1").digest
    generate_signing_key(tmp_path / "stranger.pem", tmp_path / "public.pem")
    with pytest.raises(ArtefactRefused, match="no trusted key"):
        client.models.download(trained, "1", tmp_path / "b.zip", trusted_keys=tmp_path / "public.pem")
    with pytest.raises(InvalidInput, match="trusted_keys"):
        client.models.download(trained, "1", tmp_path / "b.zip", trusted_keys=tmp_path / "nowhere.pem")
    assert not (tmp_path / "b.zip").exists()


def test_the_front_door_hands_on_parts_of_an_artefact_and_its_head(client: Client, suite: Suite, trained: str) -> None:
    digest = client.models.version(trained, "1").digest
    url = f"{suite.url}/api/v1/models/{trained}/versions/1/artefact"
    head = httpx.head(url, timeout=60)
    assert (head.status_code, head.headers["etag"], head.content) == (200, f'"{digest}"', b"")
    part = httpx.get(url, headers={"range": "bytes=-4", "if-range": head.headers["etag"]}, timeout=60)
    size = int(head.headers["content-length"])
    assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {size - 4}-{size - 1}/{size}")
    assert httpx.get(url, headers={"if-none-match": head.headers["etag"]}, timeout=60).status_code == 304


def test_a_downloaded_artefact_scores_without_any_service(
    client: Client, suite: Suite, trained: str, tmp_path: Path
) -> None:
    archive = client.models.artefact(trained, "1", tmp_path / "model.zip").read_bytes()
    artefact = open_artefact(archive, trusted=TrustedKeys.load(suite.home.trusted_keys))
    rows = np.linspace(0, 1, 24).reshape(2, 12)
    expected = [each.raw_score for each in client.predict_batch(rows, trained, version="1").predictions]
    assert Scorer(artefact).score(rows).raw_score.tolist() == pytest.approx(expected, rel=1e-9)


async def test_the_awaited_client_does_the_same(suite: Suite, trained: str) -> None:
    async with AsyncClient(suite.url) as client:
        dataset = await client.datasets.get(trained)
        sample = await client.datasets.sample(dataset.id, n=1)
        row = {name: sample.rows[0][name] for name in dataset.feature_columns}
        assert (await client.predict(row, trained, return_confidence=True)).confidence is not None
        assert (await client.status()).status == "ok"
        assert trained in [model.name async for model in client.models.list()]
