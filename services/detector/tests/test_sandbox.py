"""Children: what they refuse, what they write, and that they never outlive their parent."""

import asyncio
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from detector_service.training.fit import fit_detector
from detector_service.training.request import FitRequest
from detector_service.training.signing import sign_artefact
from detector_service.worker.children import Children
from detector_service.worker.sandbox import ARTEFACT, ROWS, SCORED, ChildCrashed, ChildRefused, Sandbox
from numpy.typing import NDArray
from pynomaly_scoring import generate_signing_key

SANDBOX = Sandbox(4096)
Keys = tuple[Path, Path]


def ignore(stage: str, progress: float) -> None:
    """No progress is looked at here."""


@pytest.fixture(scope="module")
def archive(keys: Keys) -> bytes:
    """A signed Isolation Forest on columns a and b."""
    return signed("IForest", np.random.default_rng(0).normal(size=(200, 2)), keys)


def signed(algorithm: str, features: NDArray[np.float64], keys: Keys) -> bytes:
    """A signed detector on columns a and b."""
    wanted = FitRequest(
        algorithm=algorithm,
        parameters={},
        contamination=0.1,
        seed=0,
        feature_names=("a", "b"),
        dataset_id=str(uuid4()),
        dataset_version="1",
    )
    trained = fit_detector(wanted, features, ignore)
    return sign_artefact(trained.model, trained.manifest, keys[0])


def prepared(folder: Path, archive: bytes, keys: Keys, table: pa.Table) -> dict[str, Any]:
    """The files and the request of a scoring job."""
    (folder / ARTEFACT).write_bytes(archive)
    with pa.ipc.new_stream(folder / ROWS, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    model = {"model_id": str(uuid4()), "model_version": "1", "dataset_id": str(uuid4()), "dataset_version": "1"}
    names = {"feature_columns": ["a", "b"], "source_name": "x", "scored_name": None}
    rows = {"n_rows": table.num_rows, "target_column": "label", "part_rows": 1000}
    return {**model, **names, **rows, "trusted_keys": str(keys[1])}


def table(labels: list[Any], **columns: Any) -> pa.Table:
    n_rows = len(labels)
    return pa.table({"a": np.linspace(-1, 9, n_rows), "b": np.zeros(n_rows), "label": labels, **columns})


def child_pids() -> set[int]:
    """Of the children that there are now."""
    return {each.pid for each in psutil.Process().children() if is_child(each)}


def is_child(process: psutil.Process) -> bool:
    while process.status() != psutil.STATUS_ZOMBIE:
        if command := process.cmdline():  # which a process has none of for a moment, as its program begins
            return "detector_service.child" in command
    return False


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0] * 10, "labels normal rows only"),
        (["anomaly"] * 10, "labels anomalies only"),
        ([0, 1, 2], "column 'label', row 3: 2 is not a label"),
    ],
)
async def test_evaluation_refuses_labels_that_cannot_be_compared_with(
    tmp_path: Path, archive: bytes, keys: Keys, labels: list[Any], words: str
) -> None:
    request = prepared(tmp_path, archive, keys, table(labels))
    with pytest.raises(ChildRefused) as refused:
        await SANDBOX.run("evaluate", tmp_path, request, ignore)
    assert refused.value.problem.type == "/problems/data-unfit"
    assert words in refused.value.problem.detail


async def test_evaluation_counts_all_rows_of_all_batches(tmp_path: Path, archive: bytes, keys: Keys) -> None:
    labels = [0] * 10 + [1] * 10
    found = await SANDBOX.run("evaluate", tmp_path, prepared(tmp_path, archive, keys, table(labels)), ignore)
    assert (found["n_rows"], found["n_anomalies"]) == (20, 10)
    assert sum(found["confusion"].values()) == 20
    assert found["roc_auc"] > 0.8


async def test_scored_rows_keep_their_columns_and_new_ones_give_way(tmp_path: Path, archive: bytes, keys: Keys) -> None:
    rows = table([0] * 20, prediction=["mine"] * 20, born=pa.array([None] * 20, pa.date32()))
    told: list[tuple[str, float]] = []
    request = prepared(tmp_path, archive, keys, rows)
    found = await SANDBOX.run("detect_batch", tmp_path, request, lambda *news: told.append(news))
    scored = pq.read_table(tmp_path / SCORED)
    assert scored.select(rows.column_names).equals(rows)
    new = scored.column_names[len(rows.column_names) :]
    assert new == ["raw_score", "pynomaly_prediction", "is_anomaly"]
    assert found["score_columns"]["prediction"] == "pynomaly_prediction"
    assert (found["n_rows"], found["n_anomalies"]) == (20, sum(scored["is_anomaly"].to_pylist()))
    assert 50 < found["peak_memory_mb"] < 4096
    assert found["rows_per_s"] > 0
    assert [progress for _, progress in told] == [0.35, 0.7, 1.0]


async def test_many_rows_are_compared_with_many_within_bounded_memory(tmp_path: Path, keys: Keys) -> None:
    features = np.random.default_rng(0).normal(size=(4_000, 2))
    rows = pa.table({"a": np.zeros(40_000), "b": np.zeros(40_000), "label": [0, 1] * 20_000})
    request = prepared(tmp_path, signed("KNN", features, keys), keys, rows)
    found = await Sandbox(800).run("detect_batch", tmp_path, request, ignore)  # all at once needs over 1,280 MB
    assert found["n_rows"] == 40_000


@pytest.mark.parametrize("work", ["evaluate", "detect_batch"])
async def test_a_row_too_large_for_the_models_arithmetic_is_named(work: str, tmp_path: Path, keys: Keys) -> None:
    archive = signed("PCA", np.random.default_rng(0).normal(size=(200, 2)), keys)
    far = table([0, 1, 0, 0, 0, 0, 0, 0, 0, 1]).set_column(1, "b", pa.array([0.0] * 8 + [1.7e308, 0.0]))
    with pytest.raises(ChildRefused, match="row 9 has no finite score"):
        await SANDBOX.run(work, tmp_path, prepared(tmp_path, archive, keys, far), ignore)


async def test_an_artefact_of_an_unknown_signer_is_refused(tmp_path: Path, archive: bytes, keys: Keys) -> None:
    stranger = tmp_path / "stranger.pem", tmp_path / "stranger.pub"
    generate_signing_key(*stranger)
    with pytest.raises(ChildRefused) as refused:
        await SANDBOX.run("evaluate", tmp_path, prepared(tmp_path, archive, stranger, table([0, 1])), ignore)
    assert refused.value.problem.type == "/problems/artefact-refused"


async def test_an_algorithm_that_is_not_on_offer_where_the_work_is_done_is_refused(tmp_path: Path, keys: Keys) -> None:
    request = prepared(tmp_path, b"", keys, table([0, 1] * 5))
    request |= {"detector_name": "d", "algorithm": "Gone", "contamination": 0.1, "parameters": {}, "seed": 0}
    with pytest.raises(ChildRefused, match="unknown algorithm 'Gone'") as refused:
        await SANDBOX.run("train", tmp_path, {**request, "ignored_columns": [], "signing_key": str(keys[0])}, ignore)
    assert refused.value.problem.type == "/problems/algorithm-not-here"


async def test_a_child_that_breaks_is_a_crash_with_its_last_words(tmp_path: Path, archive: bytes, keys: Keys) -> None:
    request = prepared(tmp_path, archive, keys, table([0, 1]))
    (tmp_path / ROWS).unlink()
    with pytest.raises(ChildCrashed, match=r"(?s)exit code 1 \(memory limit 4096 MiB\); it said: .*FileNotFoundError"):
        await SANDBOX.run("evaluate", tmp_path, request, ignore)


async def test_the_one_in_reserve_does_the_next_work_and_another_takes_its_place(
    tmp_path: Path, archive: bytes, keys: Keys
) -> None:
    sandbox = Sandbox(4096, keeps_one=True)
    seen: list[set[int]] = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        request = prepared(folder, archive, keys, table([0, 1] * 5))
        assert (await sandbox.run("evaluate", folder, request, ignore))["n_rows"] == 10
        seen.append(child_pids())
    assert [len(pids) for pids in seen] == [1, 1, 1]
    assert not seen[0] & seen[1]
    await sandbox.close()
    assert child_pids() == set()


async def test_a_child_in_reserve_reads_neither_the_framework_nor_libraries_that_nothing_here_needs() -> None:
    program = (
        "import sys; from detector_service.child.libraries import leave_out_frames, read_libraries;"
        "leave_out_frames(); read_libraries();"
        "print(sorted({'fastapi', 'matplotlib', 'pandas', 'sqlalchemy', 'sklearn', 'onnx'} & set(sys.modules)))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    assert said.decode().strip() == "['onnx', 'sklearn']"


async def test_nobody_is_kept_for_work_that_does_not_come() -> None:
    children = Children(4096, keeps_one=True, reserve_s=0.01)
    await children.keep_one()
    async with asyncio.timeout(60):
        for child in map(psutil.Process, child_pids()):
            await asyncio.to_thread(child.wait, 60)
    assert child_pids() == set()
    await children.close()


async def test_where_the_one_in_reserve_was_killed_another_does_the_work(
    tmp_path: Path, archive: bytes, keys: Keys
) -> None:
    sandbox = Sandbox(4096, keeps_one=True)
    request = prepared(tmp_path, archive, keys, table([0, 1] * 5))
    await sandbox.run("evaluate", tmp_path, request, ignore)
    for pid in child_pids():
        child = psutil.Process(pid)
        child.kill()
        await asyncio.to_thread(child.wait, 30)
    assert (await sandbox.run("evaluate", tmp_path, request, ignore))["n_rows"] == 10
    await sandbox.close()


async def test_the_one_in_reserve_tells_how_it_broke_too(tmp_path: Path, archive: bytes, keys: Keys) -> None:
    sandbox = Sandbox(4096, keeps_one=True)
    request = prepared(tmp_path, archive, keys, table([0, 1]))
    await sandbox.run("evaluate", tmp_path, request, ignore)
    (tmp_path / ROWS).unlink()
    with pytest.raises(ChildCrashed, match=r"(?s)exit code 1 .*; it said: .*FileNotFoundError"):
        await sandbox.run("evaluate", tmp_path, request, ignore)
    await sandbox.close()


async def test_a_child_ends_when_its_parent_closes_the_lifeline(tmp_path: Path) -> None:
    program = (
        "import os, threading, detector_service.child.confinement as c; c.watch_lifeline();"
        "os.write(1, b'up'); threading.Event().wait()"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert await child.stdout.read(2) == b"up"
    child.stdin.close()
    async with asyncio.timeout(5):
        assert await child.wait() == 3
