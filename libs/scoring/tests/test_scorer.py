import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper, numpy_helper
from pynomaly_scoring import Artefact, GraphInvalid, Manifest, Rows, Scorer, TrustedKeys, open_artefact
from pynomaly_scoring.graph import check_content

BuildGraph = Callable[..., onnx.ModelProto]


@pytest.fixture(scope="module")
def artefact(archive: bytes, trusted: TrustedKeys) -> Artefact:
    return open_artefact(archive, trusted=trusted)


@pytest.fixture(scope="module")
def scorer(artefact: Artefact) -> Scorer:
    return Scorer(artefact)


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(50, 3))


def refusal(artefact: Artefact, model: onnx.ModelProto | bytes) -> GraphInvalid:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(GraphInvalid) as refused:
        Scorer(dataclasses.replace(artefact, model=content))
    return refused.value


def test_scores_are_the_graphs(scorer: Scorer, rows: np.ndarray) -> None:
    scores = scorer.score(rows)
    np.testing.assert_allclose(scores.raw_score, rows.sum(axis=1))
    assert_array_equal(scores.is_anomaly, scores.raw_score > 1)
    np.testing.assert_allclose(scores.prediction, 1 / (1 + np.exp(-scores.raw_score)))
    assert scores.confidence is not None
    assert_array_equal(scores.confidence, scores.prediction / 2)
    assert [array.dtype.name for array in scores if array is not None] == ["float64", "float64", "bool", "float64"]


def test_confidence_is_left_out_on_request_and_nothing_else_changes(scorer: Scorer, rows: np.ndarray) -> None:
    without, full = scorer.score(rows, confidence=False), scorer.score(rows)
    assert without.confidence is None
    for one, other in zip(without[:3], full[:3], strict=True):
        assert_array_equal(one, other)


def test_one_row_alone_scores_as_in_its_batch(scorer: Scorer, rows: np.ndarray) -> None:
    alone = [scorer.score(rows[n : n + 1]).raw_score[0] for n in range(len(rows))]
    assert_array_equal(alone, scorer.score(rows).raw_score)


def test_a_missing_value_is_passed_on_as_nan(scorer: Scorer) -> None:
    assert np.isnan(scorer.score(np.array([[np.nan, 0.0, 0.0]])).raw_score[0])


@pytest.mark.parametrize(
    "numeric",
    [
        np.zeros(3),
        np.zeros((0, 3)),
        np.zeros((2, 4)),
        np.zeros((1, 1, 3)),
        np.zeros((2, 3), dtype=np.float32),
        np.zeros((2, 3), dtype=">f8"),
        np.zeros((2, 3), order="F"),
        np.zeros((2, 6))[:, ::2],
    ],
)
def test_rows_of_another_shape_type_or_layout_are_a_value_error(scorer: Scorer, numeric: np.ndarray) -> None:
    with pytest.raises(ValueError, match="float64"):
        scorer.score(numeric)


def test_threads_share_a_scorer(artefact: Artefact, rows: np.ndarray) -> None:
    scorer = Scorer(artefact, threads=2)
    expected = scorer.score(rows).raw_score
    with ThreadPoolExecutor(4) as pool:
        scored = list(pool.map(lambda _: scorer.score(rows).raw_score, range(200)))
    assert all(np.array_equal(raw_score, expected) for raw_score in scored)


def test_a_scorer_knows_its_manifest_and_is_larger_than_its_model(
    artefact: Artefact, scorer: Scorer, manifest: Manifest
) -> None:
    assert scorer.manifest == manifest
    assert scorer.n_bytes > len(artefact.model)


@pytest.mark.parametrize(("said", "found"), [("80000", 80_000), ("1", 24), ("many", 24)])
def test_the_memory_of_a_row_is_what_the_graph_says_but_no_less_than_the_row(
    artefact: Artefact, build_graph: BuildGraph, said: str, found: int
) -> None:
    model = build_graph()
    helper.set_model_props(model, {"pynomaly.working_bytes_per_row": said})
    scorer = Scorer(dataclasses.replace(artefact, model=model.SerializeToString()))
    assert scorer.working_bytes_per_row == found


def test_rows_are_scored_in_blocks_that_hold_what_a_row_needs(artefact: Artefact, build_graph: BuildGraph) -> None:
    model = build_graph()
    del model.graph.node[4]  # confidence tells the size of the block
    largest = helper.make_node("ReduceSum", ["ones"], ["n_rows"], keepdims=0)
    ones = helper.make_node("Exp", ["nothing"], ["ones"])
    nothing = helper.make_node("Sub", ["raw_score", "raw_score"], ["nothing"])
    each = helper.make_node("Mul", ["ones", "n_rows"], ["confidence"])
    model.graph.node.extend([nothing, ones, largest, each])
    helper.set_model_props(model, {"pynomaly.working_bytes_per_row": str(8 * 2**20)})
    scorer = Scorer(dataclasses.replace(artefact, model=model.SerializeToString()))
    scores = scorer.score_rows(Rows(np.arange(18.0).reshape(6, 3)))
    assert_array_equal(scores.raw_score, [3, 12, 21, 30, 39, 48])
    assert_array_equal(scores.confidence, [4, 4, 4, 4, 2, 2])
    assert scorer.score_rows(Rows(np.zeros((6, 3))), confidence=False).confidence is None


def test_no_threads_at_all_is_a_value_error(artefact: Artefact) -> None:
    with pytest.raises(ValueError, match="threads"):
        Scorer(artefact, threads=0)


def test_other_inputs_than_the_fixed_ones_are_refused(artefact: Artefact, build_graph: BuildGraph) -> None:
    assert refusal(artefact, build_graph(4)).reason == "graph-signature"
    renamed = build_graph()
    renamed.graph.input[0].name = renamed.graph.node[0].input[0] = "rows"
    assert refusal(artefact, renamed).reason == "graph-signature"
    second = build_graph()
    second.graph.input.append(helper.make_tensor_value_info("text", TensorProto.STRING, ["n_rows", 1]))
    assert refusal(artefact, second).reason == "graph-signature"
    fixed = build_graph()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert refusal(artefact, fixed).reason == "graph-signature"


def test_other_outputs_than_the_fixed_ones_are_refused(artefact: Artefact, build_graph: BuildGraph) -> None:
    missing = build_graph()
    del missing.graph.output[3]
    assert refusal(artefact, missing).reason == "graph-signature"
    extra = build_graph()
    extra.graph.output.append(helper.make_tensor_value_info("sums", TensorProto.DOUBLE, ["n_rows", 1]))
    assert refusal(artefact, extra).reason == "graph-signature"


def test_outputs_that_are_not_one_value_per_row_are_refused(artefact: Artefact, build_graph: BuildGraph) -> None:
    model = build_graph()
    model.graph.node[4].CopyFrom(helper.make_node("ReduceMean", ["prediction"], ["confidence"], keepdims=1))
    assert refusal(artefact, model).reason == "graph-signature"


def test_a_graph_that_fails_on_its_first_rows_is_refused(artefact: Artefact, build_graph: BuildGraph) -> None:
    model = build_graph()
    shape = numpy_helper.from_array(np.array([7]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node[4].CopyFrom(helper.make_node("Reshape", ["prediction", "shape"], ["confidence"]))
    del model.graph.output[3].type.tensor_type.shape.dim[:]
    model.graph.output[3].type.tensor_type.ClearField("shape")
    assert refusal(artefact, model).reason == "graph-failed"


@pytest.mark.parametrize("model", [b"junk", b"\x08\x00\x00\x00ORTM" + b"\x00" * 64])
def test_bytes_that_are_no_protobuf_are_refused(artefact: Artefact, model: bytes) -> None:
    assert refusal(artefact, model).reason == "graph-malformed"


def test_an_empty_model_is_refused(artefact: Artefact) -> None:
    assert refusal(artefact, b"").reason == "graph-unloadable"


def test_an_overlong_tag_cannot_hide_a_field(build_graph: BuildGraph) -> None:
    functions_tag = (25 << 3 | 2) + (1 << 32)
    overlong = bytes(functions_tag >> shift & 0x7F | 0x80 for shift in (0, 7, 14, 21)) + bytes([functions_tag >> 28])
    with pytest.raises(GraphInvalid):
        check_content(build_graph().SerializeToString() + overlong + b"\x00")


def field(number: int, content: bytes) -> bytes:
    """Of a message, its length in two bytes."""
    return bytes([number << 3 | 2, len(content) & 0x7F | 0x80, len(content) >> 7]) + content


def test_a_tensor_that_comes_in_pieces_cannot_hide_its_size() -> None:
    piece = helper.make_tensor("t", TensorProto.STRING, [100], [b"a"] * 100).SerializeToString()
    whole, pieces = (
        field(7, field(1, field(5, b"".join(field(5, piece) for _ in range(n_pieces))))) for n_pieces in (1, 2)
    )
    check_content(whole)
    with pytest.raises(GraphInvalid, match="pieces"):
        check_content(pieces)
    with pytest.raises(GraphInvalid, match="pieces"):
        check_content(whole + whole)


def test_long_lists_of_numbers_are_no_obstacle_to_the_check() -> None:
    floats, integers = [0.5, -1.0] * 5000, [0, -1, 2**40] * 5000
    node = helper.make_node("TreeEnsemble", ["numeric"], ["y"], domain="ai.onnx.ml", floats=floats, integers=integers)
    check_content(helper.make_model(helper.make_graph([node], "forest", [], [])).SerializeToString())
    node.domain = "elsewhere"  # comes after the lists
    with pytest.raises(GraphInvalid):
        check_content(helper.make_model(helper.make_graph([node], "forest", [], [])).SerializeToString())


@pytest.mark.parametrize("n_bytes", range(1, 60, 7))
def test_a_truncated_graph_is_refused(artefact: Artefact, build_graph: BuildGraph, n_bytes: int) -> None:
    model = build_graph().SerializeToString()[:-n_bytes]
    with pytest.raises(GraphInvalid):
        Scorer(dataclasses.replace(artefact, model=model))
