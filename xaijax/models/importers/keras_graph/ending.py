"""What the end of a graph says of its output."""

from dataclasses import replace

from xaijax._errors import InputError
from xaijax.models.importers.torch_graph.graph import Graph
from xaijax.models.importers.torch_graph.network import TRANSPARENT

AFFINE = ("linear", "convolution", "_native_batch_norm_legit_no_training")
THROUGH = (*TRANSPARENT, "mean", "add", "sub", "rsub", "mul", "div", "amax", "slice", "cat", "constant_pad_nd")


def without_ending(graph: Graph, what: str) -> tuple[Graph, str]:
    """The graph that gives logits, and the activation that was its end.

    Args:
        graph: of a whole model.
        what: what errors call it.

    Returns:
        The graph without a softmax or sigmoid at its end; `"softmax"`, `"sigmoid"` or `"linear"`.

    Raises:
        InputError: for another ending, whose results are no logits.
    """
    last = graph.operation(graph.output)
    if last is not None and last.op in ("softmax", "sigmoid"):
        before = last.inputs["input"]
        kept = tuple(operation for operation in graph.operations if operation is not last)
        shorter = replace(graph, output=before.name, operations=kept, _by_name={})
        _check_linear(shorter, what, behind=last.op)
        return shorter, last.op
    _check_linear(graph, what)
    return graph, "linear"


def _check_linear(graph: Graph, what: str, behind: str = "") -> None:
    """Refuse an output that is not the sum of weighted inputs."""
    waiting, seen = [graph.output], set()
    while waiting:
        name = waiting.pop()
        operation = graph.operation(name)
        if operation is None or name in seen or operation.op in AFFINE:
            continue
        seen.add(name)
        if operation.op not in THROUGH:
            before = f", before its {behind}," if behind else ""
            raise InputError(
                f"{what} ends{before} in {operation.op.strip('_')} (layer {graph.where(operation)}); xaijax reads "
                "models that end in softmax, sigmoid or no activation: use it as a black box with models.from_predict"
            )
        waiting.extend(operation.refs())
