"""Many rows through a graph: before its trees, the trees, and after them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from pynomaly_scoring.forests.around import Model, Node
from pynomaly_scoring.forests.forest import Forest, read_forest
from pynomaly_scoring.forests.kernel import Kernel, is_installed

FEWEST_ROWS = 256
"""Below, three steps cost more than they save."""
_OPERATOR, _DOMAIN = "TreeEnsemble", "ai.onnx.ml"


class TreePass:
    """Does what an inference session does, for a graph with a forest. Threads may share it."""

    def __init__(self, node: Node, before: Any, kernel: Kernel, after: Any) -> None:
        (self._source,), (self._target,) = node.inputs, node.outputs
        self._before, self._kernel, self._after = before, kernel, after
        self._taken_after = [taken.name for taken in after.get_inputs() if taken.name != self._target]
        self.n_bytes = kernel.n_bytes

    @classmethod
    def of(cls, model: bytes, open_session: Callable[[bytes], Any]) -> Self | None:
        """None where the model has no forest to gain by, or nothing is there to run it with.

        model: one that ONNX Runtime loads. open_session: makes sessions of the parts around the forest.
        """
        if not is_installed() or _OPERATOR.encode() not in model:
            return None
        whole = Model(model)
        found = [(forest, node) for node in whole.nodes if (forest := _forest_of(node)) is not None]
        if not found:
            return None
        forest, node = max(found, key=lambda each: each[0].leaves.size)
        kernel = Kernel(forest)
        if not kernel.runs():
            return None
        before, after = whole.around(node)
        return cls(node, before and open_session(before), kernel, open_session(after))

    def run(self, names: Sequence[str], feed: Mapping[str, Any], options: Any = None) -> list[Any]:
        """The named outputs, as `InferenceSession.run` gives them. Raises what that raises."""
        rows = feed[self._source] if self._before is None else self._before.run([self._source], feed, options)[0]
        taken = {name: feed[name] for name in self._taken_after}
        taken[self._target] = self._kernel.sums(rows)[:, None]
        found: list[Any] = self._after.run(names, taken, options)
        return found


def _forest_of(node: Node) -> Forest | None:
    if (node.operator, node.domain, len(node.inputs), len(node.outputs)) != (_OPERATOR, _DOMAIN, 1, 1):
        return None
    return read_forest(node.attributes())
