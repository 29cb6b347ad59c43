"""Converted PyTorch models: narrow graphs against what PyTorch gave, without PyTorch.

`tests/parity/torch_graphs.py` made the file.
"""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain, models
from xaijax._errors import InputError
from xaijax._network.trees import flatten, get, put
from xaijax.classifier import Classifier, UnsupportedError, merge_params
from xaijax.models.importers.torch_graph import graph as graphs
from xaijax.models.importers.torch_graph.network import GraphNetwork

_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parents[1] / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)

with np.load(Path(__file__).parent / "data" / "graphs_of_torch" / "torch_graphs.npz") as _file:
    STORED = {name: _file[name] for name in _file.files}
NAMES = sorted({name.partition("/")[0] for name in STORED})
MIXTURE = recipe.stream("mixture").random((3, 5))


def make(name, dtype=np.float32, change=lambda values: values):
    """The classifier of a stored graph with the recipe's weights; `change` works on the description."""
    described = json.loads(STORED[f"{name}/described"].tobytes())
    stored_as = {tensor["of"]: tensor["arrangement"] for tensor in described["graph"]["tensors"].values()}
    described = change(described)
    graph = graphs.Graph.from_json(described["graph"])
    constants = {key.rpartition("/")[2]: array for key, array in STORED.items() if key.startswith(f"{name}/constant/")}
    params = {}
    for path, shape in described["shapes"].items():
        arrangement = stored_as[path] or tuple(range(len(shape)))
        in_torch = tuple(shape[arrangement.index(axis)] for axis in range(len(shape)))
        array = recipe.weight(path, in_torch, True).astype(np.float32).astype(dtype)
        put(params, tuple(path.split(".")), jnp.asarray(array.transpose(arrangement)))
    return Classifier.from_network(
        GraphNetwork(graph, constants),
        params,
        input_shape=described["input_shape"],
        layer=graph.default_layer,
    )


def images(classifier, dtype=np.float32, count=3):
    height, _, channels = classifier.input_shape
    return jnp.asarray(recipe.images(count, height)[..., :channels].astype(dtype))


def measured(classifier, dtype):
    """Logits, gradient to the image, activations and gradient at the default layer."""
    x, layer = images(classifier, dtype), classifier.default_layer

    def score(x, offsets):
        logits, taps = classifier.tapped(classifier.params, x, offsets)
        return (logits * jnp.asarray(MIXTURE, dtype)).sum(), (logits, taps[layer])

    run = jax.jit(jax.grad(score, argnums=(0, 1), has_aux=True))
    (to_image, to_layer), (logits, values) = run(x, classifier.zero_offsets(x, [layer]))
    found = {"logits": logits, "gradient": to_image, "activations": values, "layer_gradient": to_layer[layer]}
    return {key: np.asarray(value) for key, value in found.items()}


def errors(name, found):
    return {
        key: float(np.abs(value - STORED[f"{name}/{key}"]).max() / np.abs(STORED[f"{name}/{key}"]).max())
        for key, value in found.items()
    }


@pytest.fixture
def float64():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield np.float64


@pytest.fixture(scope="module")
def resnet():
    return make("resnet")


@pytest.fixture(scope="module")
def vit():
    return make("vit")


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_pytorchs(name, float64):
    found = errors(name, measured(make(name, float64), float64))
    # PyTorch's own hard sigmoid, in MobileNetV3, has a derivative of 1/6 in float32.
    limit = 1e-7 if name == "mobilenet" else 1e-10
    assert max(found.values()) < limit, found


WRONG = {
    "a kernel with rows and columns exchanged": lambda values: transposed(values),
    "another epsilon": lambda values: each(values, "_native_batch_norm_legit_no_training", eps=1e-3),
    "no mean": lambda values: without_mean(values),
    "another stride": lambda values: each(values, "max_pool2d", stride=[1, 1]),
}


def each(values, op, **inputs):
    for operation in values["graph"]["operations"]:
        if operation["op"] in (op, f"{op}_with_indices"):
            operation["inputs"] |= inputs
    return values


def transposed(values):
    for tensor in values["graph"]["tensors"].values():
        if tensor["arrangement"] is not None:
            tensor["arrangement"] = [3, 2, 1, 0]
    return values


def without_mean(values):
    norms = [one for one in values["graph"]["operations"] if one["op"] == "_native_batch_norm_legit_no_training"]
    norms[0]["inputs"]["running_mean"] = norms[0]["inputs"]["bias"]
    return values


@pytest.mark.parametrize("what", WRONG)
def test_a_deliberate_error_is_seen(what, float64):
    try:
        found = errors("resnet", measured(make("resnet", float64, WRONG[what]), float64))
    except (ValueError, TypeError):  # shapes that do not fit are seen too
        return
    assert found["logits"] > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_any_size_agree(name):
    classifier = make(name)
    x = images(classifier, count=8)
    run = jax.jit(classifier.logits)
    whole = np.asarray(run(classifier.params, x))
    for size in (1, 3):
        part = np.asarray(run(classifier.params, x[:size]))
        np.testing.assert_allclose(part, whole[:size], rtol=0, atol=1e-5 * np.abs(whole).max())


DEFAULTS = {
    "resnet": ("layer4.0", (2, 2, 16)),
    "densenet": ("features", (5, 5, 16)),
    "convnext": ("stages.3.blocks.0", (2, 2, 16)),
    "mobilenet": ("blocks.5.0", (2, 2, 288)),
    "vit": ("blocks.1.norm1", (4, 4, 24)),
    "swin": ("layers.1.blocks.1.norm1", (8, 8, 24)),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_layer_and_its_shape(name):
    classifier = make(name)
    layer = classifier.default_layer
    assert (layer, classifier.layers()[layer][-1]) == (DEFAULTS[name][0], DEFAULTS[name][1][-1])
    assert len(classifier.layers()[layer]) == 3


def test_layers_have_the_paths_of_their_modules(resnet):
    layers = resnet.layers()
    assert {"conv1", "bn1", "layer1", "layer1.0", "layer1.0.conv1", "layer4.0.downsample.0", "fc"} <= set(layers)
    assert layers["conv1"] == (20, 20, 64)
    assert layers["fc"] == (5,)


def test_a_tap_shows_and_changes_a_layer(resnet):
    x = images(resnet)
    logits, taps = resnet.tapped(resnet.params, x, {"layer2.0": None, "layer4.0": None})
    assert taps["layer2.0"].shape == (3, *resnet.layers()["layer2.0"])
    shifted, _ = resnet.tapped(resnet.params, x, {"layer4.0": jnp.ones((3, *resnet.layers()["layer4.0"]))})
    weights = resnet.head(resnet.params)
    assert weights.shape == (16, 5)
    np.testing.assert_allclose(shifted - logits, jnp.broadcast_to(weights.sum(0), (3, 5)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(weights, resnet.params["fc"]["weight"].T, rtol=1e-5, atol=1e-6)


def test_scores_are_gradient_times_input_and_all_biases(resnet):
    x = images(resnet)
    biases = resnet.biases(resnet.params)

    def score(x, offsets):
        return resnet.tapped(resnet.params, x, offsets)[0][:, 2].sum()

    to_image, to_layers = jax.grad(score, argnums=(0, 1))(x, resnet.zero_offsets(x, list(biases)))
    parts = (to_image * x).sum() + sum((to_layers[name] * bias).sum() for name, bias in biases.items())
    np.testing.assert_allclose(parts, score(x, {}), rtol=1e-4)


def test_guided_backpropagation_changes_gradients_only(resnet):
    guided = resnet.with_relu("guided")
    x = images(resnet)
    np.testing.assert_allclose(guided.logits(guided.params, x), resnet.logits(resnet.params, x), rtol=1e-6)

    def gradient(classifier):
        return np.asarray(jax.grad(lambda x: classifier.logits(classifier.params, x)[:, 0].sum())(x))

    assert not np.allclose(gradient(guided), gradient(resnet))


def test_batch_norm_is_folded(resnet):
    fast = resnet.optimized()
    x = images(resnet)
    wanted, found = resnet.logits(resnet.params, x), fast.logits(fast.params, x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    assert set(fast.layers()) == set(resnet.layers())
    assert "running_mean" in resnet.params["bn1"]
    assert "bn1" not in fast.params
    layer = resnet.default_layer
    one, two = (model.tapped(model.params, x, {layer: None})[1][layer] for model in (resnet, fast))
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-5 * np.abs(one).max())
    with pytest.raises(UnsupportedError):
        models.save(resnet.optimized(dtype="bfloat16"), "nowhere")


def test_attention_weights_are_layers(vit):
    layers = [name for name in vit.layers() if name.endswith("attention_weights")]
    assert layers == ["blocks.0.attn.attention_weights", "blocks.1.attn.attention_weights"]
    x = images(vit)
    weights = vit.tapped(vit.params, x, dict.fromkeys(layers))[1]
    for name in layers:
        assert weights[name].shape == (3, 3, 17, 17)
        np.testing.assert_allclose(weights[name].sum(-1), 1, rtol=1e-5)
    assert explain.attention_rollout(vit, x).shape == (3, 32, 32)
    for name in ("generic_attention", "gradient_rollout", "legrad"):
        maps = np.asarray(explain.METHODS[name].function(vit, x, [0, 3, 1]))
        assert maps.shape == (3, 32, 32)
        assert maps.min() >= 0
        assert maps.std() > 0
        assert "windows, as in Swin" in explain.METHODS[name].refusal(make("swin"))


def test_parameter_groups_go_from_the_output_backwards(vit):
    groups = list(vit.param_groups(vit.params))
    assert groups[0] == "head"
    assert groups.index("blocks.1.mlp.fc2") < groups.index("blocks.0.attn.qkv")
    zero = jax.tree.map(jnp.zeros_like, vit.param_groups(vit.params)["head"])
    logits = vit.logits(merge_params(vit.params, zero), images(vit))
    assert not np.asarray(logits).any()
    assert vit.parameter_count() == sum(leaf.size for leaf in jax.tree.leaves(vit.params))


def test_it_runs_under_jit_vmap_and_grad(vit):
    x = images(vit)
    one_by_one = jax.vmap(lambda image: vit.logits(vit.params, image[None])[0])(x)
    np.testing.assert_allclose(one_by_one, jax.jit(vit.logits)(vit.params, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["swin", "small"])
def test_a_saved_graph_is_the_same(name, tmp_path):
    classifier = dataclasses.replace(make(name), classes=tuple("abcde"))
    models.save(classifier, tmp_path / "model", info={"note": 1})
    opened = models.load(tmp_path / "model")
    assert opened.network == classifier.network
    assert hash(opened.network) == hash(classifier.network)
    assert (opened.classes, opened.default_layer) == (classifier.classes, classifier.default_layer)
    assert models.read_info(tmp_path / "model")["note"] == 1
    x = images(classifier)
    assert (np.asarray(opened.predict(x)) == np.asarray(classifier.predict(x))).all()
    assert "torch" not in sys.modules


def test_another_size_of_images_is_refused(resnet):
    with pytest.raises(ValueError, match=r"converted for images of 40 x 40 x 3; convert it again with input_shape="):
        resnet.with_input_shape((64, 64, 3))


def test_a_graph_that_does_not_fit_is_refused(tmp_path):
    def changed(**entries):
        return lambda values: values | {"graph": values["graph"] | entries}

    for change, words in (
        (changed(format=2), "has format 2; this version of xaijax reads format 1"),
        (changed(output="nothing"), "nothing gives nothing"),
    ):
        with pytest.raises(ValueError, match=words):
            make("vit", change=change)


def test_an_unknown_operation_is_named_with_its_module():
    def change(values):
        next(one for one in values["graph"]["operations"] if one["op"] == "gelu")["op"] = "fancy"
        return values

    with pytest.raises(UnsupportedError, match=r"fancy \(in blocks.0.mlp.act\); use it as a black box"):
        make("vit", change=change)


def test_a_file_with_other_arrays_is_refused(tmp_path, vit):
    import safetensors.numpy

    file = models.save(vit, tmp_path / "vit.safetensors")
    with safetensors.safe_open(file, "numpy") as opened:
        header, arrays = opened.metadata(), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    del arrays["head.bias"]
    del header["sha256"]  # a file of another program has none
    safetensors.numpy.save_file(arrays, file, header)
    with pytest.raises(InputError, match=r"does not fit its graph: missing head.bias"):
        models.load(file)


def test_parameters_are_those_of_the_description():
    values = json.loads(STORED["resnet/described"].tobytes())
    classifier = make("resnet")
    assert {".".join(path) for path, _ in flatten(classifier.params)} == set(values["shapes"])
    assert get(classifier.params, ("conv1", "weight")).shape == (7, 7, 3, 64)
