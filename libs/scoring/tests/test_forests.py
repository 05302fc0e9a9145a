"""What WebAssembly makes of a graph's trees is what ONNX Runtime makes of them, to the last bit."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pynomaly_scoring import GraphInvalid
from pynomaly_scoring.forests import TreePass
from pynomaly_scoring.forests.forest import FEWEST_TREES, MAX_DEPTH, Forest
from pynomaly_scoring.forests.kernel import Kernel
from pynomaly_scoring.protobuf import ints
from pynomaly_scoring.runtime import ort

N_COLUMNS = 3
NAMES = ["raw_score", "beside"]
SPLITS = [-1.0, 0.0, 0.5, 1.0, 1e300]
CELLS = [*SPLITS, np.nextafter(0.5, 1), -2.0, 2.0, np.nan, np.inf, -np.inf, -0.0]


def grown(random: np.random.Generator, n_trees: int, depth: int) -> dict[str, Any]:
    """The attributes of a forest, each tree of which is as deep as it may be somewhere."""
    lists: dict[str, list[Any]] = {name: [] for name in ("roots", "columns", "splits", "true", "false", "leaves")}

    def grow(levels: int, must: bool) -> tuple[int, int]:
        """The number of a new node, or leaf, and whether it is a leaf."""
        if levels == 0 or (not must and random.random() < 0.4):
            lists["leaves"].append(random.integers(-80, 80) / 8)
            return len(lists["leaves"]) - 1, 1
        number = len(lists["columns"])
        lists["columns"].append(int(random.integers(N_COLUMNS)))
        lists["splits"].append(float(random.choice(SPLITS)))
        lists["true"].append((0, 0))
        lists["false"].append((0, 0))
        deep = bool(random.integers(2))
        lists["true"][number] = grow(levels - 1, must and deep)
        lists["false"][number] = grow(levels - 1, must and not deep)
        return number, 0

    for _ in range(n_trees):
        lists["roots"].append(grow(depth, must=True)[0])
    true, false = np.array(lists["true"]).T, np.array(lists["false"]).T
    return {
        "n_targets": 1,
        "tree_roots": lists["roots"],
        "nodes_featureids": lists["columns"],
        "nodes_splits": numpy_helper.from_array(np.array(lists["splits"])),
        "nodes_modes": numpy_helper.from_array(np.zeros(len(lists["columns"]), np.uint8)),
        "nodes_truenodeids": true[0].tolist(),
        "nodes_trueleafs": true[1].tolist(),
        "nodes_falsenodeids": false[0].tolist(),
        "nodes_falseleafs": false[1].tolist(),
        "leaf_targetids": [0] * len(lists["leaves"]),
        "leaf_weights": numpy_helper.from_array(np.array(lists["leaves"])),
    }


def model_of(attributes: dict[str, Any], *, before: bool) -> bytes:
    """Its sums, and the sums with the rows' first column added. before: the trees take the rows' double."""
    source = "doubled" if before else "numeric"
    nodes = [helper.make_node("Add", ["numeric", "numeric"], ["doubled"])] if before else []
    nodes += [
        helper.make_node("TreeEnsemble", [source], ["sums"], domain="ai.onnx.ml", **attributes),
        helper.make_node("Squeeze", ["sums", "axis"], ["raw_score"]),
        helper.make_node("Gather", ["numeric", "first"], ["column"], axis=1),
        helper.make_node("Add", ["raw_score", "column"], ["beside"]),
    ]
    graph = helper.make_graph(
        nodes,
        "forest",
        [helper.make_tensor_value_info("numeric", TensorProto.DOUBLE, ["n_rows", N_COLUMNS])],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n_rows"]) for name in NAMES],
        [numpy_helper.from_array(np.array([1]), "axis"), numpy_helper.from_array(np.array(0), "first")],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
    written: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return written


def session(model: bytes) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def rows_of(n_rows: int, seed: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.random.default_rng(seed).choice(CELLS, (n_rows, N_COLUMNS))
    return found


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_trees=st.integers(FEWEST_TREES, 30),
    depth=st.integers(1, MAX_DEPTH),
    n_rows=st.integers(1, 400),
    before=st.booleans(),
)
def test_every_row_gets_the_runtimes_scores(seed: int, n_trees: int, depth: int, n_rows: int, before: bool) -> None:
    model = model_of(grown(np.random.default_rng(seed), n_trees, depth), before=before)
    found = TreePass.of(model, session)
    assert found is not None
    feed = {"numeric": rows_of(n_rows, seed)}
    for ours, theirs in zip(found.run(NAMES, feed), session(model).run(NAMES, feed), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_more_rows_than_are_handed_over_at_a_time_keep_their_order() -> None:
    model = model_of(grown(np.random.default_rng(1), 10, 5), before=False)
    found, feed = TreePass.of(model, session), {"numeric": rows_of(30_001, 2)}
    assert found is not None
    np.testing.assert_array_equal(found.run(NAMES[:1], feed), session(model).run(NAMES[:1], feed))


def test_threads_share_a_pass() -> None:
    model = model_of(grown(np.random.default_rng(3), 20, 8), before=True)
    found, runtime = TreePass.of(model, session), session(model)
    assert found is not None
    feeds = [{"numeric": rows_of(5_000, seed)} for seed in range(16)]
    expected = [runtime.run(NAMES, feed) for feed in feeds]
    with ThreadPoolExecutor(8) as pool:
        np.testing.assert_array_equal(list(pool.map(lambda feed: found.run(NAMES, feed), feeds)), expected)


def few(attributes: dict[str, Any]) -> None:
    attributes["tree_roots"] = attributes["tree_roots"][: FEWEST_TREES - 1]


def far_out(attributes: dict[str, Any]) -> None:
    attributes["nodes_featureids"][0] = 2**14


def others_below(attributes: dict[str, Any]) -> None:
    n_nodes = len(attributes["nodes_featureids"])
    attributes["nodes_modes"] = numpy_helper.from_array(np.ones(n_nodes, np.uint8))  # x < split


def smallest(attributes: dict[str, Any]) -> None:
    attributes["aggregate_function"] = 2


def two_targets(attributes: dict[str, Any]) -> None:
    attributes["n_targets"] = 2


def in_float32(attributes: dict[str, Any]) -> None:
    splits = np.zeros(len(attributes["nodes_featureids"]), np.float32)
    attributes["nodes_splits"] = numpy_helper.from_array(splits)


def tracking_missing(attributes: dict[str, Any]) -> None:
    attributes["nodes_missing_value_tracks_true"] = [1] * len(attributes["nodes_featureids"])


def in_a_circle(attributes: dict[str, Any]) -> None:
    attributes["nodes_truenodeids"][0], attributes["nodes_trueleafs"][0] = 0, 0


def beyond_the_nodes(attributes: dict[str, Any]) -> None:
    attributes["nodes_truenodeids"][0], attributes["nodes_trueleafs"][0] = 2**40, 0


def beyond_the_leaves(attributes: dict[str, Any]) -> None:
    attributes["nodes_falsenodeids"][0], attributes["nodes_falseleafs"][0] = -1, 1


def shorter_by_one(attributes: dict[str, Any]) -> None:
    attributes["nodes_falseleafs"].pop()


@pytest.mark.parametrize(
    "change",
    [
        *(few, far_out, others_below, smallest, two_targets, in_float32, tracking_missing),
        *(in_a_circle, beyond_the_nodes, beyond_the_leaves, shorter_by_one),
    ],
    ids=lambda change: change.__name__,
)
def test_other_trees_are_left_to_the_runtime(change: Callable[[dict[str, Any]], None]) -> None:
    attributes = grown(np.random.default_rng(4), FEWEST_TREES, 4)
    change(attributes)
    assert TreePass.of(model_of(attributes, before=False), session) is None


def test_deeper_trees_are_left_to_the_runtime() -> None:
    model = model_of(grown(np.random.default_rng(5), FEWEST_TREES, MAX_DEPTH + 1), before=False)
    assert TreePass.of(model, session) is None


def test_rows_that_lack_a_column_are_refused_as_the_runtime_would() -> None:
    columns, splits = np.full((8, 1), 7), np.zeros((8, 1))
    kernel = Kernel(Forest(columns, splits, np.zeros((8, 2)), 1))
    with pytest.raises(RuntimeError, match=r"takes 8 columns, not float64 \(1, 3\)"):
        kernel.sums(np.zeros((1, 3)))


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_a_list_of_numbers_is_read_as_it_was_written(numbers: list[int]) -> None:
    attribute = helper.make_attribute("some @ name", numbers, attr_type=onnx.AttributeProto.INTS)
    assert ints(attribute.SerializeToString()).tolist() == numbers


def test_half_a_list_of_numbers_is_no_message() -> None:
    whole = helper.make_attribute("name", [300] * 9).SerializeToString()
    with pytest.raises(GraphInvalid, match="not protobuf"):
        ints(b"\x3a\xff" + whole)


def test_a_program_that_scored_ends_without_a_word() -> None:
    program = (
        "import sys, numpy as np, onnxruntime as ort\n"
        "from pynomaly_scoring.forests import TreePass\n"
        "found = TreePass.of(sys.stdin.buffer.read(), ort.InferenceSession)\n"
        "print(found.run(['raw_score'], {'numeric': np.zeros((2, 3))})[0].shape)"
    )
    assert _said(program) == (["(2,)"], "")


@pytest.mark.parametrize(
    "before",
    [
        "import sys; sys.modules['wasmtime'] = None",
        "import resource, wasmtime, onnxruntime\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + 2**30\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))",
    ],
    ids=["not installed", "no addresses to reserve"],
)
def test_where_webassembly_cannot_run_nothing_is_taken_over(before: str) -> None:
    program = (
        f"{before}\n"
        "import sys; from pynomaly_scoring.forests import TreePass\n"
        "print(TreePass.of(sys.stdin.buffer.read(), None))"
    )
    assert _said(program) == (["None"], "")


def _said(program: str) -> tuple[list[str], str]:
    """The words and the complaints of a program that finds a model on its standard input."""
    model = model_of(grown(np.random.default_rng(6), FEWEST_TREES, 3), before=False)
    ran = subprocess.run([sys.executable, "-c", program], input=model, capture_output=True, check=True)
    return ran.stdout.decode().split(), ran.stderr.decode()
