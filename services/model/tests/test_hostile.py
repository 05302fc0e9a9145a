"""Hostile artefacts at the door: refused with a reason that the log and the metrics tell, and nothing is kept."""

import io
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pynomaly_scoring import TrustedKeys, revoke_key
from structlog.testing import capture_logs

ZIP = {"content-type": "application/zip"}
GIGA = 2**30
MAX_GROWTH_MIB = 64
Change = Callable[[onnx.ModelProto], None]


def weigh_confidence(model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """Confidence needs the node's first result."""
    del model.graph.node[4]
    model.graph.node.append(node)
    model.graph.node.append(helper.make_node("ReduceSum", [node.output[0]], ["weight"], keepdims=0))
    model.graph.node.append(helper.make_node("Mul", ["prediction", "weight"], ["confidence"]))


def external(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="/etc/hostname")


def gigabytes_that_are_not_there(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = GIGA


def loop(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Loop", [""], ["x"], body=helper.make_graph([], "body", [], [])))


def function(model: onnx.ModelProto) -> None:
    opsets: list[Any] = [helper.make_opsetid("", 21)]
    model.functions.append(helper.make_function("ai.onnx.ml", "F", ["x"], ["y"], [], opsets))


def other_domain(model: onnx.ModelProto) -> None:
    model.graph.node[2].domain = "com.microsoft"


def sparse(model: onnx.ModelProto) -> None:
    value, place = (helper.make_tensor(name, kind, [1], [0]) for name, kind in (("v", 11), ("i", 7)))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(value, place, [8 * GIGA]))


def filled(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([2 * GIGA]), "size"))
    ones = numpy_helper.from_array(np.ones(1))
    weigh_confidence(model, helper.make_node("ConstantOfShape", ["size"], ["huge"], value=ones))


def random_numbers(model: onnx.ModelProto) -> None:
    weigh_confidence(model, helper.make_node("RandomNormal", [], ["huge"], shape=[2 * GIGA], dtype=11))


def other_columns(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 1)), "weights"))


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[2].op_type = "Summon"


GRAPHS: dict[str, tuple[Change, str]] = {
    "external-data": (external, "graph-content"),
    "gigabytes-that-are-not-there": (gigabytes_that_are_not_there, "graph-tensor-size"),
    "loop": (loop, "graph-content"),
    "function": (function, "graph-content"),
    "other-domain": (other_domain, "graph-content"),
    "sparse-tensor-of-gigabytes": (sparse, "graph-content"),
    "sixteen-gigabytes-filled": (filled, "graph-failed"),
    "sixteen-gigabytes-of-random-numbers": (random_numbers, "graph-failed"),
    "other-columns": (other_columns, "graph-failed"),
    "unknown-operator": (unknown_operator, "onnx-checker"),
}


@pytest.mark.parametrize(("change", "reason"), GRAPHS.values(), ids=GRAPHS)
async def test_a_hostile_graph_is_refused(make_artefact: Any, assert_refused: Any, change: Change, reason: str) -> None:
    model = onnx.load_from_string(_model_of(make_artefact()))
    change(model)
    await assert_refused(make_artefact(model=model.SerializeToString()), reason)


def _model_of(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        return members.read("model.onnx")


def nested(depth: int) -> Any:
    return {"x": nested(depth - 1)} if depth else 1


MANIFESTS: dict[str, dict[str, Any]] = {
    "schema-of-the-future": {"schema_version": 99},
    "billion-features": {"n_features": 10**9},
    "nested-parameters": {"parameters": nested(300)},
    "seed-of-two-hundred-digits": {"seed": 10**200},
    "all-are-anomalies": {"contamination": 1.0},
    "data-set-that-is-no-id": {"dataset_id": "../../etc"},
    "column-without-a-name": {"feature_names": ["", "b", "c"]},
}


@pytest.mark.parametrize("described", MANIFESTS.values(), ids=MANIFESTS)
async def test_an_absurd_manifest_is_refused(
    make_artefact: Any, assert_refused: Any, described: dict[str, Any]
) -> None:
    reason = "manifest-malformed" if "parameters" in described else "manifest-value"
    await assert_refused(make_artefact(**described), reason)


def bomb(archive: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as members:
        for name in ("manifest.json", "model.onnx", "model.sig"):
            members.writestr(name, bytes(100 * 2**20) if name == "model.onnx" else b"{}")
    return buffer.getvalue()


ARCHIVES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "bomb": (bomb, "ratio-too-high"),
    "something-before": (lambda archive: b"MZ" + archive, "archive-malformed"),
    "something-behind": (lambda archive: archive + b"x", "archive-malformed"),
    "bare-graph": (_model_of, "archive-malformed"),
    "one-byte-of-the-graph": (lambda archive: archive.replace(b"Sigmoid", b"Sigmoie"), "digest-mismatch"),
    "one-byte-of-the-manifest": (lambda archive: archive.replace(b"IForest", b"IForesu"), "digest-mismatch"),
    "one-byte-of-the-signature": (
        lambda archive: archive.replace(b"dsseEnvelope", b"dsseEnvelopf"),
        "signature-malformed",
    ),
}


@pytest.mark.parametrize(("spoil", "reason"), ARCHIVES.values(), ids=ARCHIVES)
async def test_a_hostile_archive_is_refused(
    make_artefact: Any, assert_refused: Any, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    await assert_refused(spoil(make_artefact()), reason)


async def test_an_artefact_signed_by_a_stranger_is_refused(
    make_artefact: Any, assert_refused: Any, stranger: Path
) -> None:
    await assert_refused(make_artefact(key=stranger), "key-unknown")


async def test_a_loaded_model_whose_key_is_revoked_is_refused_at_its_next_load(
    *, make_app: Any, make_client: Any, register_at: Any, keys: Path, tmp_path: Path, name: str
) -> None:
    trusted = tmp_path / "trusted"
    shutil.copytree(keys / "trusted", trusted)
    asked = {"data": [1.0, 2.0, 3.0], "model_id": name}
    async with make_client(make_app(trusted_keys_path=trusted)) as client:
        await register_at(client)
        assert (await client.post("/api/v1/predict", json=asked)).status_code == 200
        (hint,) = TrustedKeys.load(trusted).by_hint
        revoke_key(trusted, hint)
        assert (await client.post("/api/v1/predict", json=asked)).status_code == 200
        await client.delete(f"/api/v1/models/{name}/unload")
        with capture_logs() as events:
            answer = await client.post("/api/v1/predict", json=asked)
        metrics = (await client.get("/metrics")).text
    assert (answer.status_code, answer.json()["reason"]) == (500, "key-revoked")
    assert {event["reason"] for event in events if event["event"] == "artefact.untrusted"} == {"key-revoked"}
    assert 'model_artefacts_refused_total{reason="key-revoked"}' in metrics


@pytest.fixture
def assert_refused(client: Any, name: str, tmp_path: Path) -> Any:
    """Registering the archive is a 422 with that reason; the log and the metrics tell it; nothing is left of it."""

    async def check(archive: bytes, reason: str) -> None:
        before_kib = new_peak_kib()
        with capture_logs() as events:
            answer = await client.post(f"/api/v1/models/{name}/versions", content=archive, headers=ZIP)
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (422, "/problems/artefact-refused")
        assert (problem["reason"], bool(problem["detail"])) == (reason, True)
        assert [(e["reason"], bool(e["detail"])) for e in events if e["event"] == "artefact.refused"] == [
            (reason, True)
        ]
        assert f'model_artefacts_refused_total{{reason="{reason}"}} 1.0' in (await client.get("/metrics")).text
        assert files_under(tmp_path) == []
        assert (await client.get("/health")).json()["loaded_models"] == 0
        assert peak_kib() - before_kib < MAX_GROWTH_MIB * 1024

    return check


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def new_peak_kib() -> int:
    """The peak of resident memory begins anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kib()


def peak_kib() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])
