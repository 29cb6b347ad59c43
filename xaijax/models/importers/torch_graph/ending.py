"""What the end of a converted module says of its output: a softmax is not applied twice, a sigmoid not read as one.

Also what makes the prediction of an image depend on the others of its batch.
"""

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
# Arithmetic that a module may do with its probabilities: what it gives then are no logits.
ARITHMETIC = {
    *("clamp", "clamp_min", "clamp_max", "clip", "add", "sub", "rsub", "mul", "div", "neg", "pow", "sqrt", "round"),
    *("sum", "mean", "amax", "maximum", "minimum", "cat", "stack", "where", "log", "logit", "reciprocal", "log1p"),
}
STATISTICS = ("mean", "sum", "amax", "amin", "std", "var", "var_mean")


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
    inner = _probabilities_below(graph, last)
    if inner is not None and last is not inner:
        raise InputError(
            f"{what} calculates with the results of its {inner.op.strip('_')} ({graph.where(inner)}), last by "
            f"{last.op.strip('_')} ({graph.where(last)}), so that its output is neither logits nor probabilities: "
            "leave that out, or use the model as a black box with models.from_predict, which takes probabilities"
        )
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


def depends_on_batch(graph: Graph) -> list[str]:
    """The operations that mix the images of a batch, in words: statistics over the batch, where a model has any.

    Example:
        >>> from xaijax.models.importers.torch_graph.graph import Ref
        >>> one = Operation("m", "mean", {"input": Ref("x"), "dim": [0]})
        >>> depends_on_batch(Graph("x", (3, 2, 2), "m", {}, (), (one,)))
        ['mean over the batch (the model itself)']
    """
    found = []
    for one in graph.operations:
        if one.op in ("batch_norm", "_native_batch_norm_legit", "native_batch_norm"):
            if one.inputs.get("training") or one.inputs.get("running_mean") is None:
                found.append(f"batch norm without stored statistics ({graph.where(one)})")
        elif one.op in STATISTICS and _over_batch(one, graph):
            found.append(f"{one.op} over the batch ({graph.where(one)})")
    return found


def _over_batch(operation: Operation, graph: Graph) -> bool:
    of = operation.inputs.get("input")
    if not isinstance(of, Ref) or of.name in graph.tensors:
        return False
    dims = operation.inputs.get("dim")
    return 0 in (dims if isinstance(dims, list | tuple) else [dims])


def _probabilities_below(graph: Graph, operation: Operation, seen: int = 0) -> Operation | None:
    """The softmax or sigmoid of which an operation's result is made by arithmetic alone, or None."""
    if operation.op in PROBABILITIES:
        return operation
    if operation.op not in ARITHMETIC or seen > 20:
        return None
    found = None
    for name in operation.refs():
        if name in graph.tensors:  # a constant, or weights of an average
            continue
        below = source(graph, name)
        inner = None if below is None else _probabilities_below(graph, below, seen + 1)
        if inner is None:
            return None
        found = inner
    return found


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
