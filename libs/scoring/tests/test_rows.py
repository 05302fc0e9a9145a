"""What a model's columns may hold, and text on its way into the graph."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pynomaly_scoring import (
    Artefact,
    InputColumn,
    Manifest,
    ManifestInvalid,
    RowRules,
    Rows,
    Scorer,
)

BuildGraph = Callable[..., onnx.ModelProto]
AGE = InputColumn(name="age")
CITY = InputColumn(name="city", type="string", categories=("Oslo", "Rome"))


def _rows(numeric: Sequence[Sequence[float]], text: Sequence[Sequence[str]] | None = None) -> Rows:
    return Rows(np.array(numeric, np.float64), None if text is None else np.array(text, dtype=np.object_))


def test_finite_numbers_hold() -> None:
    rules = RowRules([AGE])
    assert rules.hold(_rows([[1.0], [2.0]]))
    assert list(rules.faults(_rows([[1.0], [2.0]]))) == []


@pytest.mark.parametrize(("value", "shown"), [(np.nan, None), (np.inf, np.inf)], ids=["missing", "infinite"])
def test_a_value_that_is_no_number_is_named_with_its_row(value: float, shown: float | None) -> None:
    rules = RowRules([AGE])
    assert not rules.hold(_rows([[1.0], [value]]))
    (fault,) = rules.faults(_rows([[1.0], [value]]))
    assert (fault.row, fault.column, fault.value) == (1, "age", shown)


def test_a_missing_value_holds_where_the_column_accepts_it() -> None:
    rules = RowRules([replace(AGE, accepts_missing=True), replace(CITY, accepts_missing=True)])
    assert rules.hold(_rows([[np.nan]], [[""]]))
    assert not rules.hold(_rows([[-np.inf]], [[""]]))


def test_a_boolean_is_zero_or_one() -> None:
    rules = RowRules([InputColumn(name="smokes", type="boolean")])
    assert rules.hold(_rows([[0.0], [1.0]]))
    assert [fault.value for fault in rules.faults(_rows([[0.5]]))] == [0.5]


@pytest.mark.parametrize("value", ["Bergen", "", "oslo"], ids=["unknown", "missing", "other-case"])
def test_a_category_that_training_did_not_have_does_not_hold(value: str) -> None:
    rules = RowRules([CITY])
    assert rules.hold(_rows([[]], [["Rome"]]))
    assert [(fault.row, fault.column) for fault in rules.faults(_rows([[], []], [["Oslo"], [value]]))] == [(1, "city")]


def test_an_unknown_category_holds_where_the_column_accepts_it() -> None:
    assert RowRules([replace(CITY, accepts_unknown=True)]).hold(_rows([[]], [["Bergen"]]))


@pytest.mark.parametrize(
    "change",
    [{"type": "complex"}, {"name": ""}, {"categories": ()}, {"categories": ("a", "a")}, {"type": "number"}],
    ids=["type", "name", "no-categories", "twice", "number-with-categories"],
)
def test_a_column_outside_its_ranges_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ManifestInvalid):
        replace(CITY, **change)  # type: ignore[arg-type]  # that is the case


def test_columns_survive_the_manifest(manifest: Manifest) -> None:
    columns = (replace(AGE, accepts_missing=True), CITY, InputColumn(name="since", type="date"))
    described = replace(
        manifest,
        feature_names=("age", "city", "since"),
        columns=columns,
        threshold_interval=(0.5, 1.5),
        n_reference=7,
        preprocessing={"missing": "median"},
    )
    assert Manifest.from_json(described.to_json()) == described
    assert described.n_text == 1


def test_a_manifest_without_columns_has_numbers_alone(manifest: Manifest) -> None:
    assert [(column.name, column.type) for column in manifest.inputs] == [
        (name, "number") for name in manifest.feature_names
    ]


def test_text_reaches_the_graph(manifest: Manifest, build_graph: BuildGraph) -> None:
    model = _counting_oslo(build_graph(1))
    described = replace(manifest, feature_names=("age", "city"), n_features=2, columns=(AGE, CITY))
    scorer = Scorer(Artefact(described, model.SerializeToString(), "cd" * 32, 1, "ef" * 32))
    scores = scorer.score_rows(_rows([[1.0], [1.0]], [["Oslo"], ["Rome"]]))
    assert scores.raw_score.tolist() == [2.0, 1.0]


def test_rows_without_their_texts_are_refused(manifest: Manifest, build_graph: BuildGraph) -> None:
    model = _counting_oslo(build_graph(1))
    described = replace(manifest, feature_names=("age", "city"), n_features=2, columns=(AGE, CITY))
    scorer = Scorer(Artefact(described, model.SerializeToString(), "cd" * 32, 1, "ef" * 32))
    with pytest.raises(ValueError, match=r"texts must be objects \(1, 1\), not None"):
        scorer.score(np.zeros((1, 1)))


def _counting_oslo(model: onnx.ModelProto) -> onnx.ModelProto:
    """The sum of the numbers, one more where the text is Oslo."""
    graph = model.graph
    graph.input.append(helper.make_tensor_value_info("text", TensorProto.STRING, ["n_rows", 1]))
    encoder = helper.make_node(
        "LabelEncoder",
        ["text"],
        ["code"],
        domain="ai.onnx.ml",
        keys_strings=["Oslo"],
        values_int64s=[1],
        default_int64=0,
    )
    nodes = [
        encoder,
        helper.make_node("Cast", ["code"], ["one"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["numeric", "one"], ["counted"]),
    ]
    rest = list(graph.node)
    rest[0].input[0] = "counted"
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    return model
