"""The end of a converted module says what its output is. Without PyTorch: the graph is written by hand."""

import dataclasses

import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.models.importers.endings import output_of
from xaijax.models.importers.torch_graph.ending import depends_on_batch, without_ending
from xaijax.models.importers.torch_graph.graph import Graph, ModuleCall, Operation, Ref, Tensor
from xaijax.models.importers.torch_graph.network import GraphNetwork

CALLS = (ModuleCall("", "Net", None), ModuleCall("pool", "Flatten", 0), ModuleCall("end", "Activation", 0))
PARAMS = {"weight": np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32)}


def graph(*ends):
    """Flatten, a dense layer of four classes, and these operations: (name, op, inputs)."""
    operations = [
        Operation("flat", "flatten", {"input": Ref("x"), "start_dim": 1}, 1),
        Operation("dense", "linear", {"input": Ref("flat"), "weight": Ref("w"), "bias": None}, 0),
        *(Operation(name, op, inputs, 2) for name, op, inputs in ends),
    ]
    tensors = {"w": Tensor("weight", "parameter")}
    return Graph("x", (3, 2, 2), operations[-1].name, tensors, CALLS, tuple(operations))


def logits(found):
    images = np.random.default_rng(1).random((2, 2, 2, 3)).astype(np.float32)
    made = Classifier.from_network(GraphNetwork(found), PARAMS, input_shape=(2, 2, 3))
    return np.asarray(made.logits(made.params, images))


@pytest.mark.parametrize("op", ["softmax", "_softmax", "log_softmax", "_log_softmax", "sigmoid"])
@pytest.mark.parametrize("reshaped", [False, True])
def test_logits_are_those_before_the_activation(op, reshaped):
    inputs = {"input": Ref("dense")} | ({} if op == "sigmoid" else {"dim": 1})
    after = [("again", "view", {"input": Ref("p"), "size": [-1, 4]})] if reshaped else []
    found, activation = without_ending(graph(("p", op, inputs), *after), "net.pt2")
    assert activation == ("sigmoid" if op == "sigmoid" else "softmax")
    np.testing.assert_array_equal(logits(found), logits(graph()))
    assert op not in {operation.op for operation in found.operations}


def test_a_model_that_ends_in_its_weights_stays_as_it_is():
    plain = graph()
    assert without_ending(plain, "net.pt2") == (plain, "linear")
    scaled = graph(("scaled", "mul", {"input": Ref("dense"), "other": 2.0}))
    assert without_ending(scaled, "net.pt2") == (scaled, "linear")
    nothing = dataclasses.replace(plain, operations=(), output="x", _by_name={})
    assert without_ending(nothing, "net.pt2") == (nothing, "linear")


@pytest.mark.parametrize("op", ["tanh", "relu", "exp"])
def test_other_activations_give_no_logits(op):
    with pytest.raises(InputError, match=rf"^net.pt2 ends in {op} \(end\), which gives no logits.*from_predict$"):
        without_ending(graph(("p", op, {"input": Ref("dense")})), "net.pt2")


CLAMPED = ("p", "sigmoid", {"input": Ref("dense")}), ("c", "clamp", {"input": Ref("p"), "min": 0.01})
HUNDRED = ("p", "softmax", {"input": Ref("dense"), "dim": 1}), ("c", "mul", {"input": Ref("p"), "other": 100.0})
OPPOSITE = ("p", "sigmoid", {"input": Ref("dense")}), ("c", "rsub", {"input": Ref("p"), "other": 1})
ENSEMBLE = (
    ("p", "softmax", {"input": Ref("dense"), "dim": 1}),
    ("twice", "mul", {"input": Ref("dense"), "other": 2.0}),
    ("q", "softmax", {"input": Ref("twice"), "dim": 1}),
    ("both", "add", {"input": Ref("p"), "other": Ref("q")}),
    ("c", "div", {"input": Ref("both"), "other": 2}),
)
SHARES = (
    ("p", "sigmoid", {"input": Ref("dense")}),
    ("all", "sum", {"input": Ref("p"), "dim": [1], "keepdim": True}),
    ("c", "div", {"input": Ref("p"), "other": Ref("all")}),
)


@pytest.mark.parametrize("ends", [CLAMPED, HUNDRED, OPPOSITE, ENSEMBLE, SHARES])
def test_arithmetic_with_probabilities_gives_no_logits(ends):
    with pytest.raises(InputError, match=r"calculates with the results of its (sigmoid|softmax) \(end\).*from_predict"):
        without_ending(graph(*ends), "net.pt2")


def test_a_gate_on_logits_leaves_logits():
    gated = graph(
        ("gate", "sigmoid", {"input": Ref("dense")}), ("out", "mul", {"input": Ref("dense"), "other": Ref("gate")})
    )
    assert without_ending(gated, "net.pt2") == (gated, "linear")


def test_what_mixes_the_images_of_a_batch_is_named():
    assert depends_on_batch(graph()) == []
    centred = graph(
        ("mean", "mean", {"input": Ref("dense"), "dim": [0]}),
        ("out", "sub", {"input": Ref("dense"), "other": Ref("mean")}),
    )
    assert depends_on_batch(centred) == ["mean over the batch (end)"]
    norm = {"input": Ref("dense"), "weight": None, "bias": None, "running_mean": None, "running_var": None}
    untracked = graph(("out", "batch_norm", norm | {"training": True, "momentum": 0.1, "eps": 1e-5}))
    assert depends_on_batch(untracked) == ["batch norm without stored statistics (end)"]
    across = graph(("out", "mean", {"input": Ref("dense"), "dim": [1], "keepdim": True}))
    assert depends_on_batch(across) == []


def test_a_softmax_over_the_batch_is_an_error():
    with pytest.raises(InputError, match=r"softmax over the images of a batch \(dim=0, end\): give it dim=1"):
        without_ending(graph(("p", "softmax", {"input": Ref("dense"), "dim": 0})), "net.pt2")


def test_what_is_said_and_what_is_not_said():
    said: list[str] = []
    assert output_of("sigmoid", 14, None, "net.pt2", said) == "sigmoid"
    assert output_of("sigmoid", 1, None, "net.pt2", said) == "binary"
    assert output_of("softmax", 3, None, "net.pt2", said) == "softmax"
    assert said == []
    assert output_of("linear", 3, None, "net.pt2", said) == "softmax"
    assert said == ["net.pt2 has no activation at its end: its output is assumed to be softmax; --output overrides"]
    with pytest.raises(InputError, match=r"net.pt2 ends in sigmoid, so its output is sigmoid, not softmax"):
        output_of("sigmoid", 14, "softmax", "net.pt2", said)
    with pytest.raises(InputError, match="returns one number without an activation; say what it is"):
        output_of("linear", 1, None, "net.pt2", said)
