"""What the end of a converted module says of its output: a softmax is not applied twice, a sigmoid not read as one."""

from dataclasses import replace

from xaijax._errors import InputError
from xaijax.models.importers.torch_graph.graph import Graph, Operation, Ref
from xaijax.models.importers.torch_graph.network import source

PROBABILITIES = {
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), "softmax"),  # shifted, the same logits
    "sigmoid": "sigmoid",
}
OTHER = {
    *("tanh", "relu", "relu6", "hardtanh", "hardsigmoid", "leaky_relu", "elu", "selu", "celu", "gelu", "silu"),
    *("hardswish", "mish", "softplus", "threshold", "prelu", "_prelu_kernel", "exp", "log"),
}


def without_ending(graph: Graph, what: str) -> tuple[Graph, str]:
    """The graph that gives logits, and the activation that was its end.

    Args:
        graph: of a whole model, without layers.
        what: what errors call it.

    Returns:
        The graph without a softmax, log-softmax or sigmoid at its end; `"softmax"`, `"sigmoid"` or `"linear"`.

    Raises:
        InputError: for another activation, whose results are no logits, and for a softmax over the batch.
    """
    last = source(graph, graph.output)
    if last is None:
        return graph, "linear"
    if last.op in OTHER:
        raise InputError(
            f"{what} ends in {last.op.strip('_')} ({graph.where(last)}), which gives no logits: leave it out, give "
            "output='regression' if its numbers are what the model predicts, or use it as a black box with "
            "models.from_predict"
        )
    if last.op not in PROBABILITIES:
        return graph, "linear"
    if last.inputs.get("dim") == 0:
        raise InputError(
            f"{what} ends in a softmax over the images of a batch (dim=0, {graph.where(last)}): give it dim=1, the "
            "classes"
        )
    return _without(graph, last), PROBABILITIES[last.op]


def _without(graph: Graph, last: Operation) -> Graph:
    """The graph with what an operation takes in the place of what it gives."""
    before = last.inputs["input"]
    assert isinstance(before, Ref)
    if last.name == graph.output:
        kept = tuple(operation for operation in graph.operations if operation is not last)
        return replace(graph, output=before.name, operations=kept, _by_name={})
    passed = replace(last, op="alias", inputs={"input": before})
    kept = tuple(passed if operation is last else operation for operation in graph.operations)
    return replace(graph, operations=kept, _by_name={})
