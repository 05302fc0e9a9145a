"""Hostile graphs, each signed by a trusted key: refused, with a reason, and no memory taken."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pynomaly_scoring import GraphInvalid, Manifest, TrustedKeys, open_artefact, pack, rehearse

Sign = Callable[..., bytes]
BuildGraph = Callable[..., onnx.ModelProto]
AssertRefused = Callable[[bytes, str], None]
Change = Callable[[onnx.ModelProto], None]
GIGA = 2**30


# What a graph may not contain.


def node(model: onnx.ModelProto, *arguments: Any, **more: Any) -> onnx.NodeProto:
    """Another node at the end."""
    model.graph.node.append(helper.make_node(*arguments, **more))
    return model.graph.node[-1]


def constant(model: onnx.ModelProto, name: str, value: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def feeding_confidence(model: onnx.ModelProto, name: str) -> None:
    """Confidence becomes prediction x the sum of the named result, so that the result is needed."""
    constant(model, "all_axes", np.array([], np.int64))
    model.graph.node.append(helper.make_node("ReduceSum", [name], ["weight"], keepdims=0))
    model.graph.node.append(helper.make_node("Mul", ["prediction", "weight"], ["confidence"]))
    del model.graph.node[4]


def external_data(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def external_absolute(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def external_location_alone(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def external_constant(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.ones(1), "value")
    tensor.external_data.add(key="location", value="../../secret")
    node(model, "Constant", [], ["spare"], value=tensor)


def external_in_a_list(model: onnx.ModelProto) -> None:
    attribute = node(model, "Constant", [], ["spare"]).attribute.add(name="value", type=onnx.AttributeProto.TENSORS)
    attribute.tensors.add(data_location=TensorProto.EXTERNAL)


def sparse(dims: list[int]) -> onnx.SparseTensorProto:
    values = helper.make_tensor("thin", TensorProto.DOUBLE, [1], [1.0])
    return helper.make_sparse_tensor(values, helper.make_tensor("at", TensorProto.INT64, [1], [0]), dims)


def sparse_initializer(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(sparse([8 * GIGA]))


def sparse_constant(model: onnx.ModelProto) -> None:
    node(model, "Constant", [], ["spare"], sparse_value=sparse([8 * GIGA]))


def branch(name: str = "branch") -> onnx.GraphProto:
    return helper.make_graph([], name, [], [])


def if_node(model: onnx.ModelProto) -> None:
    node(model, "If", ["condition"], ["spare"], then_branch=branch(), else_branch=branch())


def loop(model: onnx.ModelProto) -> None:
    node(model, "Loop", ["", "condition"], ["spare"], body=branch())


def scan(model: onnx.ModelProto) -> None:
    node(model, "Scan", ["numeric"], ["spare"], body=branch(), num_scan_inputs=1)


def sequence_map(model: onnx.ModelProto) -> None:
    node(model, "SequenceMap", ["numeric"], ["spare"], body=branch())


def graph_list(model: onnx.ModelProto) -> None:
    node(model, "Odd", [], ["spare"], bodies=[branch("a"), branch("b")])


def graph_in_a_type_of_its_own(model: onnx.ModelProto) -> None:
    attribute = node(model, "Identity", ["numeric"], ["spare"]).attribute.add(name="n", type=onnx.AttributeProto.INT)
    attribute.g.CopyFrom(branch())


def function(model: onnx.ModelProto) -> None:
    opsets: list[Any] = [helper.make_opsetid("", 21)]
    model.functions.append(helper.make_function("ai.onnx.ml", "F", ["x"], ["y"], [], opsets))


def training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.name = "gradient"


def operator_of(domain: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[2].CopyFrom(helper.make_node("Gelu", ["raw_score"], ["prediction"], domain=domain))

    return change


def opset_of(domain: str) -> Change:
    return lambda model: model.opset_import.append(helper.make_opsetid(domain, 1))


CONTENT: dict[str, Change] = {
    "external-data": external_data,
    "external-absolute-path": external_absolute,
    "external-location-alone": external_location_alone,
    "external-constant": external_constant,
    "external-in-a-list": external_in_a_list,
    "sparse-initializer-of-64-gigabytes": sparse_initializer,
    "sparse-constant-of-64-gigabytes": sparse_constant,
    "if": if_node,
    "loop": loop,
    "scan": scan,
    "sequence-map": sequence_map,
    "list-of-graphs": graph_list,
    "graph-under-another-type": graph_in_a_type_of_its_own,
    "function": function,
    "training-information": training,
    "operator-of-microsoft": operator_of("com.microsoft"),
    "operator-of-another-domain": operator_of("evil.example"),
    "operator-of-a-domain-alike": operator_of("ai.onnx.ml "),
    "opset-of-microsoft": opset_of("com.microsoft"),
    "opset-of-training": opset_of("ai.onnx.preview.training"),
}


# What no runtime can load.


def initializer_that_claims(dims: list[int]) -> Change:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    return change


def strings_that_are_not_there(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="texts", data_type=TensorProto.STRING, dims=[GIGA])
    node(model, "Identity", ["texts"], ["spare"])


def numbers_that_are_not_there(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="numbers", data_type=TensorProto.DOUBLE, dims=[GIGA])
    node(model, "Identity", ["numbers"], ["spare"])


def unknown_type(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = 99


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[2].op_type = "Summon"


def opset_of_the_future(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 10**6


def ir_of_the_future(model: onnx.ModelProto) -> None:
    model.ir_version = 10**6


def no_graph(model: onnx.ModelProto) -> None:
    model.ClearField("graph")


def circle(model: onnx.ModelProto) -> None:
    model.graph.node[2].input[0] = "confidence"


def value_made_twice(model: onnx.ModelProto) -> None:
    model.graph.node[3].output[0] = "prediction"


def value_from_nowhere(model: onnx.ModelProto) -> None:
    model.graph.node[4].input[1] = "nowhere"


def false_element_type(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT


def tree(**changed: Any) -> Change:
    """A stump in float64 whose sum weighs the confidence; `changed` attributes lie."""

    def change(model: onnx.ModelProto) -> None:
        stump: dict[str, Any] = {
            "n_targets": 1,
            "nodes_featureids": [0],
            "nodes_truenodeids": [0],
            "nodes_falsenodeids": [1],
            "nodes_trueleafs": [1],
            "nodes_falseleafs": [1],
            "nodes_modes": numpy_helper.from_array(np.zeros(1, np.uint8), "modes"),
            "nodes_splits": numpy_helper.from_array(np.full(1, 0.5), "splits"),
            "leaf_weights": numpy_helper.from_array(np.array([1.0, 2.0]), "weights"),
            "leaf_targetids": [0, 0],
            "tree_roots": [0],
        }
        node(model, "TreeEnsemble", ["numeric"], ["leaf"], domain="ai.onnx.ml", **(stump | changed))
        feeding_confidence(model, "leaf")

    return change


def filled(n_values: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        constant(model, "size", np.array([n_values]))
        node(model, "ConstantOfShape", ["size"], ["huge"], value=numpy_helper.from_array(np.ones(1)))
        feeding_confidence(model, "huge")

    return change


def top_of_too_few(model: onnx.ModelProto) -> None:
    constant(model, "k", np.array([10**6]))
    node(model, "TopK", ["numeric", "k"], ["odd", "places"])
    feeding_confidence(model, "odd")


OVERSIZE: dict[str, Change] = {
    "initializer-of-8-gigabytes": initializer_that_claims([GIGA, 1]),
    "initializer-beyond-all-memory": initializer_that_claims([2**62, 1]),
    "initializer-whose-size-overflows": initializer_that_claims([2**32, 2**32]),
    "initializer-of-negative-size": initializer_that_claims([-3, 1]),
    "billion-strings-that-are-not-there": strings_that_are_not_there,
    "billion-numbers-that-are-not-there": numbers_that_are_not_there,
}

UNLOADABLE: dict[str, Change] = {
    "initializer-shorter-than-it-says": initializer_that_claims([4, 1]),
    "unknown-element-type": unknown_type,
    "unknown-operator": unknown_operator,
    "opset-of-the-future": opset_of_the_future,
    "ir-of-the-future": ir_of_the_future,
    "no-graph": no_graph,
    "circle": circle,
    "value-made-twice": value_made_twice,
    "value-from-nowhere": value_from_nowhere,
    "false-element-type": false_element_type,
    "negative-fill": filled(-1),
    "top-of-too-few": top_of_too_few,
    "tree-that-bites-its-tail": tree(nodes_truenodeids=[0], nodes_trueleafs=[0]),
    "tree-with-a-leaf-from-nowhere": tree(nodes_truenodeids=[10**6]),
    "tree-with-a-negative-leaf": tree(nodes_truenodeids=[-1]),
    "tree-without-such-a-root": tree(tree_roots=[7]),
    "tree-for-a-target-from-nowhere": tree(leaf_targetids=[0, 10**6]),
    "tree-on-a-negative-feature": tree(nodes_featureids=[-1]),
    "tree-on-an-overflowing-feature": tree(nodes_featureids=[2**33]),
}


# What fails, or takes the machine's memory, as soon as one row is scored.


def expanded(model: onnx.ModelProto) -> None:
    constant(model, "size", np.array([GIGA, 1]))
    node(model, "Expand", ["raw_score", "size"], ["huge"])
    feeding_confidence(model, "huge")


def tiled(model: onnx.ModelProto) -> None:
    constant(model, "times", np.array([GIGA]))
    node(model, "Tile", ["raw_score", "times"], ["huge"])
    feeding_confidence(model, "huge")


def random_numbers(model: onnx.ModelProto) -> None:
    node(model, "RandomNormal", [], ["huge"], shape=[GIGA], dtype=TensorProto.DOUBLE)
    feeding_confidence(model, "huge")


def counted(model: onnx.ModelProto) -> None:
    for name, value in (("from", 0.0), ("to", 1e9), ("by", 1.0)):
        constant(model, name, np.array(value))
    node(model, "Range", ["from", "to", "by"], ["huge"])
    feeding_confidence(model, "huge")


def outer_product(model: onnx.ModelProto) -> None:
    constant(model, "column", np.ones((10_000, 1)))
    constant(model, "row", np.ones((1, 100_000)))
    node(model, "Mul", ["column", "row"], ["huge"])
    feeding_confidence(model, "huge")


def padded(model: onnx.ModelProto) -> None:
    constant(model, "pads", np.array([0, GIGA]))
    node(model, "Pad", ["raw_score", "pads"], ["huge"])
    feeding_confidence(model, "huge")


def gathered_from_nowhere(model: onnx.ModelProto) -> None:
    constant(model, "places", np.array([10**6]))
    node(model, "Gather", ["numeric", "places"], ["huge"], axis=1)
    feeding_confidence(model, "huge")


def reshaped_to_a_lie(model: onnx.ModelProto) -> None:
    constant(model, "seven", np.array([7]))
    node(model, "Reshape", ["prediction", "seven"], ["odd"])
    feeding_confidence(model, "odd")


FAILING: dict[str, Change] = {
    "two-gigabytes-filled": filled(2**28),
    "eight-gigabytes-filled": filled(GIGA),
    "two-to-the-sixty-filled": filled(2**60),
    "expanded-to-eight-gigabytes": expanded,
    "tiled-to-eight-gigabytes": tiled,
    "padded-to-eight-gigabytes": padded,
    "eight-gigabytes-of-random-numbers": random_numbers,
    "eight-gigabytes-counted": counted,
    "outer-product-of-eight-gigabytes": outer_product,
    "gather-from-nowhere": gathered_from_nowhere,
    "reshape-that-does-not-fit": reshaped_to_a_lie,
    "tree-on-a-feature-from-nowhere": tree(nodes_featureids=[10**8]),
}


@pytest.fixture
def signed(manifest: Manifest, sign: Sign) -> Callable[[bytes], bytes]:
    """The archive of a model that a trusted key has signed."""

    def made(model: bytes) -> bytes:
        contents = {"model.onnx": model, "manifest.json": manifest.to_json()}
        return pack({**contents, "model.sig": sign(contents)})

    return made


GRAPHS = [
    *((name, change, "graph-content") for name, change in CONTENT.items()),
    *((name, change, "graph-tensor-size") for name, change in OVERSIZE.items()),
    *((name, change, "graph-unloadable") for name, change in UNLOADABLE.items()),
    *((name, change, "graph-failed") for name, change in FAILING.items()),
]


@pytest.mark.parametrize(("change", "reason"), [entry[1:] for entry in GRAPHS], ids=[entry[0] for entry in GRAPHS])
def test_a_hostile_graph_is_refused(
    signed: Callable[[bytes], bytes],
    build_graph: BuildGraph,
    assert_refused: AssertRefused,
    change: Change,
    reason: str,
) -> None:
    model = build_graph()
    change(model)
    assert_refused(signed(model.SerializeToString()), reason)


def test_a_graph_that_computes_for_minutes_is_ended(
    signed: Callable[[bytes], bytes], build_graph: BuildGraph, trusted: TrustedKeys
) -> None:
    model = build_graph()
    constant(model, "size", np.array([2_000_000]))
    node(model, "ConstantOfShape", ["size"], ["step 0"], value=numpy_helper.from_array(np.ones(1)))
    for step in range(5_000):
        node(model, "Sin", [f"step {step}"], [f"step {step + 1}"])
    feeding_confidence(model, "step 5000")
    artefact = open_artefact(signed(model.SerializeToString()), trusted=trusted)
    with pytest.raises(GraphInvalid, match="terminate"):
        rehearse(artefact, max_s=0.05)
