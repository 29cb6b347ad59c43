"""The contract between models and everything else, for NNX modules and plain functions."""

import gc
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax.classifier import Classifier, UnsupportedError, merge_params, to_float
from xaijax.preprocess import Preprocess


class Block(nnx.Module):
    def __init__(self, inputs, outputs, rngs):
        self.conv = nnx.Conv(inputs, outputs, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(outputs, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.dropout(nnx.relu(self.norm(self.conv(x))))


class Model(nnx.Module):
    """Two blocks, pooling and a dense layer; with arrays that are no parameters."""

    def __init__(self, rngs, channels=3, classes=4):
        self.blocks = nnx.List([Block(channels, 5, rngs), Block(5, 6, rngs)])
        self.dense = nnx.Linear(6, classes, rngs=rngs)
        self.table = nnx.Variable(jnp.arange(6))

    def __call__(self, x):
        x = self.blocks[0](x)
        x = nnx.max_pool(x, (2, 2), (2, 2))
        x = self.blocks[1](x)
        return self.dense(x.mean((1, 2))[:, self.table[...]])


def randomize(module, seed=0):
    """Random biases and batch statistics: at their usual start values many mistakes do not show."""
    random = np.random.default_rng(seed)
    for _, variable in nnx.to_flat_state(nnx.state(module)):
        if jnp.issubdtype(variable.dtype, jnp.floating):
            low = 0.5 if isinstance(variable, nnx.BatchStat) else -1
            variable[...] = jnp.asarray(random.uniform(low, 1.5, variable.shape), jnp.float32)
    return module


@pytest.fixture(scope="module")
def module():
    return randomize(Model(nnx.Rngs(0)))


@pytest.fixture(scope="module")
def classifier(module):
    return Classifier.from_nnx(module, input_shape=(8, 12, 3), classes=["a", "b", "c", "d"], preprocess="torch")


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(1).random((2, 8, 12, 3)), jnp.float32)


def manual(module, images, offsets=None, relu=nnx.relu):
    """The same model split by hand, in inference mode, with offsets at the blocks and in block 1's norm."""
    offsets = {} if offsets is None else offsets
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = (images - mean.astype(np.float32)) / std.astype(np.float32)
    for i, block in enumerate(module.blocks):
        x = block.conv(x)
        norm = block.norm
        x = (x - norm.mean[...]) / jnp.sqrt(norm.var[...] + norm.epsilon) * norm.scale[...] + norm.bias[...]
        x = x + offsets.get(f"blocks.{i}.norm", 0)
        x = relu(x) + offsets.get(f"blocks.{i}", 0)
        if i == 0:
            x = nnx.max_pool(x, (2, 2), (2, 2))
    return x.mean((1, 2)) @ module.dense.kernel[...] + module.dense.bias[...]


def test_logits_are_those_of_the_module_in_inference_mode(module, classifier, images):
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState))))
    np.testing.assert_allclose(
        classifier.logits(classifier.params, images), manual(module, images), rtol=1e-4, atol=1e-4
    )
    after = nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState)))
    jax.tree.map(np.testing.assert_array_equal, before, jax.tree.map(np.asarray, after))
    assert type(module.blocks[0]) is Block  # nothing is left on the user's model
    assert not module.blocks[0].norm.use_running_average


def test_layers_in_order_of_execution_with_shapes(classifier):
    assert classifier.layers() == {
        "preprocess": (8, 12, 3),
        "blocks.0.conv": (8, 12, 5),
        "blocks.0.norm": (8, 12, 5),
        "blocks.0.dropout": (8, 12, 5),
        "blocks.0": (8, 12, 5),
        "blocks.1.conv": (4, 6, 6),
        "blocks.1.norm": (4, 6, 6),
        "blocks.1.dropout": (4, 6, 6),
        "blocks.1": (4, 6, 6),
        "dense": (4,),
    }
    assert list(classifier.layers())[-1] == "dense"
    assert classifier.default_layer == "blocks.1"


def test_tapped_activations_and_gradients_equal_an_explicit_split(module, classifier, images):
    layers = ["blocks.0", "blocks.1.norm", "blocks.1"]
    offsets = classifier.zero_offsets(images, layers)
    weights = jnp.asarray(np.random.default_rng(2).normal(size=(2, 4)), jnp.float32)

    def tapped(offsets):
        logits, activations = classifier.tapped(classifier.params, images, offsets)
        return (weights * logits).sum(), activations

    gradients, activations = jax.jit(jax.grad(tapped, has_aux=True))(offsets)
    expected = jax.grad(lambda offsets: (weights * manual(module, images, offsets)).sum())(offsets)
    assert set(activations) == set(layers)
    for layer in layers:
        np.testing.assert_allclose(gradients[layer], expected[layer], rtol=1e-4, atol=1e-5)
    head = activations["blocks.1"].mean((1, 2)) @ module.dense.kernel[...] + module.dense.bias[...]
    np.testing.assert_allclose(head, manual(module, images), rtol=1e-4, atol=1e-4)


def test_offsets_shift_what_follows_not_the_activations(module, classifier, images):
    offset = jnp.asarray(np.random.default_rng(3).normal(size=(2, 4, 6, 6)), jnp.float32)
    logits, activations = classifier.tapped(classifier.params, images, {"blocks.1": offset, "blocks.0": None})
    np.testing.assert_allclose(logits, manual(module, images, {"blocks.1": offset}), rtol=1e-4, atol=1e-4)
    plain = classifier.tapped(classifier.params, images, {"blocks.1": None})[1]
    np.testing.assert_array_equal(activations["blocks.1"], plain["blocks.1"])


def test_vmap_over_offsets_runs_only_the_head_again(classifier, images):
    shifts = jnp.asarray(np.random.default_rng(4).normal(size=(7, 2, 4, 6, 6)), jnp.float32)

    def run(params, images, shifts):
        return jax.vmap(lambda s: classifier.tapped(params, images, {"blocks.1": s})[0])(shifts)

    expected = [classifier.tapped(classifier.params, images, {"blocks.1": s})[0] for s in shifts]
    np.testing.assert_allclose(run(classifier.params, images, shifts), jnp.stack(expected), rtol=1e-4, atol=1e-5)
    convolutions = str(jax.make_jaxpr(run)(classifier.params, images, shifts)).count("conv_general_dilated[")
    outputs = [e.outvars[0].aval.shape for e in convolution_equations(run, classifier.params, images, shifts)]
    assert convolutions == len(outputs) == 2
    assert all(shape[0] == 2 for shape in outputs)  # not 7 times the batch


def test_gradient_at_a_layer_does_not_differentiate_the_trunk(classifier, images):
    def score(offset, params, images):
        return classifier.tapped(params, images, {"blocks.1": offset})[0].sum()

    zero = classifier.zero_offsets(images, ["blocks.1"])["blocks.1"]
    assert len(convolution_equations(jax.grad(score), zero, classifier.params, images)) == 2  # forward only


def convolution_equations(function, *args):
    found = []

    def walk(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "conv_general_dilated":
                found.append(equation)
            for value in equation.params.values():
                inner = getattr(value, "jaxpr", value)
                if hasattr(inner, "eqns"):
                    walk(inner)

    walk(jax.make_jaxpr(function)(*args).jaxpr)
    return found


def test_many_calls_compile_once_and_equal_models_share_the_compilation(classifier, images):
    traces = []

    @jax.jit
    def method(classifier, images):
        traces.append(1)
        return classifier.tapped(classifier.params, images, {classifier.default_layer: None})[0]

    for scale in range(20):
        method(classifier.with_params(jax.tree.map(lambda leaf, s=scale: leaf * s, classifier.params)), images)
    same = Classifier.from_nnx(
        randomize(Model(nnx.Rngs(0)), seed=5), input_shape=(8, 12, 3), classes="abcd", preprocess="torch"
    )
    method(same, images)
    assert len(traces) == 1
    assert jax.tree.structure(same) == jax.tree.structure(classifier)
    assert jax.tree.structure(classifier.with_relu("guided")) != jax.tree.structure(classifier)


def test_params_are_arguments_not_constants(classifier, images):
    text = jax.jit(lambda c, x: c.logits(c.params, x)).lower(classifier, images).as_text()
    assert text.count("%arg") > len(jax.tree.leaves(classifier.params))
    kernels = [line for line in text.splitlines() if "stablehlo.constant" in line and "x6xf32" in line]
    assert not kernels


def test_params_hold_only_floats(classifier):
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(classifier.params))
    gradient = jax.grad(lambda p: classifier.logits(p, jnp.ones((1, 8, 12, 3))).sum())(classifier.params)
    assert float(jnp.abs(gradient["blocks"]["0"]["conv"]["kernel"]).max()) > 0


def test_head_is_the_dense_kernel_behind_pooling(module, classifier):
    kernel = np.asarray(module.dense.kernel[...])
    np.testing.assert_allclose(classifier.head(classifier.params), kernel, rtol=1e-5, atol=1e-6)
    inside = jax.jit(lambda c: c.head(c.params))(classifier)
    np.testing.assert_allclose(inside, kernel, rtol=1e-5, atol=1e-6)
    other = jax.tree.map(lambda leaf: leaf * 2, classifier.params)
    np.testing.assert_allclose(classifier.head(other), kernel * 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "head",
    [
        lambda p, a: a.max((1, 2)) @ p,
        lambda p, a: nnx.relu(a.mean((1, 2)) @ p),
        lambda p, a: nnx.relu(a).mean((1, 2)) @ p,
        lambda p, a: (a * jnp.arange(4.0)[:, None]).mean((1, 2)) @ p,
        lambda p, a: jax.nn.softmax(a.mean((1, 2)) @ p),
    ],
)
def test_head_is_none_for_other_endings(head):
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2)), jnp.float32)
    model = Classifier.from_functions(lambda p, x: x, head, kernel, input_shape=(4, 4, 3))
    assert model.head(model.params) is None


def test_biases_and_gradients_are_complete_as_fullgrad_needs(classifier, images):
    """f(x) = x · df/dx + Σ b · df/db for a network of ReLUs: true only if every bias is there."""
    biases = classifier.biases(classifier.params)
    assert list(biases) == [
        "preprocess", "blocks.0.conv", "blocks.0.norm", "blocks.1.conv", "blocks.1.norm", "dense",
    ]  # fmt: skip
    offsets = classifier.zero_offsets(images, list(biases))

    def score(images, offsets):
        return classifier.tapped(classifier.params, images, offsets)[0][:, 1].sum()

    by_image, by_layer = jax.grad(score, argnums=(0, 1))(images, offsets)
    total = (by_image * images).sum() + sum((by_layer[name] * bias).sum() for name, bias in biases.items())
    np.testing.assert_allclose(total, score(images, offsets), rtol=1e-4)


def test_param_groups_run_from_the_output_backwards_and_merge_back(classifier, images):
    groups = classifier.param_groups(classifier.params)
    assert list(groups) == ["dense", "blocks.1.norm", "blocks.1.conv", "blocks.0.norm", "blocks.0.conv"]
    assert sorted(groups["blocks.1.norm"]["blocks"]["1"]["norm"]) == ["bias", "mean", "scale", "var"]
    counts = sum(len(jax.tree.leaves(group)) for group in groups.values())
    assert counts == len(jax.tree.leaves(classifier.params))
    merged = merge_params(classifier.params, jax.tree.map(jnp.zeros_like, groups["dense"]))
    assert jax.tree.structure(merged) == jax.tree.structure(classifier.params)
    np.testing.assert_array_equal(classifier.logits(merged, images), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="nowhere"):
        merge_params(classifier.params, {"nowhere": 1})


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_relu_rules_equal_the_rule_written_by_hand(module, classifier, images, rule):
    def gradient(classifier, images):
        return jax.grad(lambda x: classifier.logits(classifier.params, x)[:, 2].sum())(images)

    @jax.custom_vjp
    def relu(x):
        return nnx.relu(x)

    def backward(x, g):
        return ((jnp.maximum(g, 0) if rule == "deconvnet" else jnp.where(x > 0, jnp.maximum(g, 0), 0)),)

    relu.defvjp(lambda x: (relu(x), x), backward)
    ruled = classifier.with_relu(rule)
    got = jax.jit(gradient)(ruled, images)
    expected = jax.grad(lambda x: manual(module, x, relu=relu)[:, 2].sum())(images)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert float(jnp.abs(got - gradient(classifier, images)).max()) > 1e-3
    np.testing.assert_allclose(ruled.logits(ruled.params, images), classifier.logits(classifier.params, images))
    assert ruled.with_relu(None) == classifier
    by_layer = jax.vmap(lambda s: ruled.tapped(ruled.params, images, {"blocks.1": s})[0])(jnp.zeros((2, 2, 4, 6, 6)))
    np.testing.assert_allclose(by_layer[0], classifier.logits(classifier.params, images), rtol=1e-5, atol=1e-5)


def test_relu6_and_maximum_have_the_rule_too():
    def model(activation):
        return Classifier.from_function(
            lambda p, x: activation(x * 8 - 1).mean((1, 2)) @ p, jnp.array([[1.0, -1.0]]), input_shape=(2, 2, 1)
        )

    images = jnp.array([0.0, 0.5, 0.9, 0.2]).reshape(1, 2, 2, 1)
    for activation, passed in ((jax.nn.relu6, [0, 2, 0, 2]), (lambda x: jnp.maximum(x, 0), [0, 2, 2, 2])):
        guided = model(activation).with_relu("guided")
        for label, expected in ((0, passed), (1, [0, 0, 0, 0])):
            gradient = jax.grad(lambda x, c=guided, k=label: c.logits(c.params, x)[0, k])(images)
            np.testing.assert_allclose(gradient.ravel(), expected)


def test_a_model_without_relu_refuses_a_relu_rule():
    model = Classifier.from_function(
        lambda p, x: jax.nn.silu(x).mean((1, 2)) @ p, jnp.ones((3, 2)), input_shape=(4, 4, 3)
    )
    with pytest.raises(UnsupportedError, match="no ReLU"):
        model.with_relu("guided")
    with pytest.raises(ValueError, match="rule must be one of guided, deconvnet"):
        model.with_relu("other")


@pytest.mark.parametrize("wrap", ["scan", "cond", "remat", "jit"])
def test_relus_inside_nested_transformations_have_the_rule(wrap):
    def activation(x):
        if wrap == "scan":
            return jax.lax.scan(lambda c, _: (jax.nn.relu(c), None), x, length=2)[0]
        if wrap == "cond":
            return jax.lax.cond(x.sum() < 1e6, jax.nn.relu, lambda x: x, x)
        return (jax.checkpoint if wrap == "remat" else jax.jit)(jax.nn.relu)(x)

    kernel = jnp.array([[1.0, -1.0]])
    model = Classifier.from_function(
        lambda p, x: activation(x - 0.5).sum((1, 2)) @ p, kernel, input_shape=(2, 2, 1)
    ).with_relu("guided")
    images = jnp.array([0.0, 0.6, 0.9, 0.2]).reshape(1, 2, 2, 1)
    for label, expected in ((0, [0, 1, 1, 0]), (1, [0, 0, 0, 0])):
        gradient = jax.jit(jax.grad(lambda x, k=label: model.logits(kernel, x)[0, k]))(images)
        np.testing.assert_allclose(gradient.ravel(), expected)


def test_a_relu_inside_a_function_with_its_own_derivative_is_refused():
    @jax.custom_vjp
    def own(x):
        return jax.nn.relu(x) + x

    own.defvjp(lambda x: (own(x), None), lambda _, g: (g,))
    model = Classifier.from_function(lambda p, x: own(x).mean((1, 2)) @ p, jnp.ones((3, 2)), input_shape=(4, 4, 3))
    with pytest.raises(UnsupportedError, match="a derivative of its own"):
        model.with_relu("guided")


class Twice(nnx.Module):
    """One convolution called twice and known by two names."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 3, (3, 3), rngs=rngs)
        self.same = self.conv
        self.dense = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        return self.dense(self.same(nnx.relu(self.conv(x))).mean((1, 2)))


def test_a_layer_that_runs_twice_has_one_name_per_call(images):
    module = randomize(Twice(nnx.Rngs(0)))
    model = Classifier.from_nnx(module, input_shape=(8, 12, 3))
    assert list(model.layers()) == ["conv@0", "conv@1", "dense"]
    assert model.default_layer == "conv@1"
    with pytest.raises(ValueError, match="runs 2 times in this model; name one of its calls: conv@0, conv@1"):
        model.tapped(model.params, images, {"conv": None})
    offset = jnp.ones((2, 8, 12, 3))
    logits, activations = model.tapped(model.params, images, {"conv@0": offset, "conv@1": None})
    first = module.conv(images)
    np.testing.assert_allclose(activations["conv@0"], first, rtol=1e-4, atol=1e-5)
    second = module.conv(nnx.relu(first + offset))
    np.testing.assert_allclose(activations["conv@1"], second, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(logits, module.dense(second.mean((1, 2))), rtol=1e-4, atol=1e-4)


class Repeated(nnx.Module):
    """Layers inside a rematerialised block: their arrays belong to another trace."""

    def __init__(self, rngs):
        self.inner = Block(3, 3, rngs)
        self.dense = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        x = nnx.remat(lambda block, x: block(x))(self.inner, x)
        return self.dense(x.mean((1, 2)))


def test_layers_inside_a_nested_transformation_are_not_offered(images):
    model = Classifier.from_nnx(Repeated(nnx.Rngs(0)), input_shape=(8, 12, 3))
    assert list(model.layers()) == ["dense"]
    with pytest.raises(ValueError, match="no layer 'inner'; it has dense"):
        model.tapped(model.params, images, {"inner": None})
    with pytest.raises(UnsupportedError, match="no layer of this model gives a picture"):
        _ = model.default_layer
    assert model.logits(model.params, images).shape == (2, 2)


class Transformer(nnx.Module):
    """Patches, a class token, two pre-norm blocks and a final norm."""

    def __init__(self, rngs):
        self.embed = nnx.Conv(3, 8, (4, 4), (4, 4), rngs=rngs)
        self.token = nnx.Param(jnp.ones((1, 1, 8)))
        self.norms = nnx.List([nnx.LayerNorm(8, rngs=rngs) for _ in range(2)])
        self.attentions = nnx.List([nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs) for _ in range(2)])
        self.final = nnx.LayerNorm(8, rngs=rngs)
        self.dense = nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        x = self.embed(x)
        x = x.reshape(x.shape[0], -1, 8)
        x = jnp.concatenate([jnp.broadcast_to(self.token[...], (x.shape[0], 1, 8)), x], 1)
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            x = x + attention(norm(x))
        return self.dense(self.final(x)[:, 0])


def test_transformer_tokens_are_a_grid_and_the_default_layer_is_the_last_blocks_norm(images):
    model = Classifier.from_nnx(randomize(Transformer(nnx.Rngs(0))), input_shape=(8, 12, 3))
    layers = model.layers()
    assert layers["norms.1"] == (2, 3, 8)
    assert model.default_layer == "norms.1"
    assert model.head(model.params) is None
    offsets = model.zero_offsets(images, ["norms.1", "final"])
    assert offsets["norms.1"].shape == (2, 2, 3, 8)
    gradients = jax.grad(lambda o: model.tapped(model.params, images, o)[0][:, 0].sum())(offsets)
    assert float(jnp.abs(gradients["norms.1"]).max()) > 0
    assert float(jnp.abs(gradients["final"]).max()) == 0  # only the class token is read behind the final norm
    assert "" in model.param_groups(model.params)
    assert list(model.param_groups(model.params))[:2] == ["dense", "final"]


def test_function_pair(images):
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2)), jnp.float32)
    model = Classifier.from_functions(
        lambda p, x: nnx.relu(x - 0.5), lambda p, a: a.mean((1, 2)) @ p + 1, kernel, input_shape=(8, 12, 3)
    )
    assert model.layers() == {"features": (8, 12, 3)}
    assert model.default_layer == "features"
    np.testing.assert_allclose(model.head(kernel), kernel, rtol=1e-5, atol=1e-6)
    logits, activations = model.tapped(kernel, images, {"features": jnp.ones((2, 8, 12, 3))})
    np.testing.assert_allclose(activations["features"], jnp.maximum(images - 0.5, 0))
    np.testing.assert_allclose(logits, (activations["features"].mean((1, 2)) + 1) @ kernel + 1, rtol=1e-5)
    with pytest.raises(UnsupportedError, match="biases need the layers"):
        model.biases(kernel)
    with pytest.raises(UnsupportedError, match="parameter groups need the layers"):
        model.param_groups(kernel)


def test_plain_function_refuses_layers(images):
    model = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, jnp.eye(3), input_shape=(8, 12, 3))
    assert model.head(model.params) is None
    for ask in (
        model.layers,
        lambda: model.default_layer,
        lambda: model.tapped(model.params, images, {"features": None}),
    ):
        with pytest.raises(UnsupportedError, match="made from a plain function"):
            ask()
    logits, activations = model.tapped(model.params, images, {})
    assert activations == {}
    np.testing.assert_allclose(logits, images.mean((1, 2)), rtol=1e-6)


def test_predict_scales_integers_and_runs_in_batches(classifier, images):
    whole = np.asarray(jnp.round(images * 255), np.uint8)
    expected = jax.nn.softmax(classifier.logits(classifier.params, whole.astype(np.float32) / 255))
    np.testing.assert_allclose(classifier.predict(whole), expected, rtol=1e-4, atol=1e-6)
    wide = (whole.astype(np.uint16)) * 257
    np.testing.assert_allclose(classifier.predict(wide), expected, rtol=1e-4, atol=1e-6)
    many = np.concatenate([whole] * 4)[:7]
    parts = classifier.predict(many, batch_size=3)
    assert parts.shape == (7, 4)
    np.testing.assert_allclose(parts, jnp.concatenate([expected] * 4)[:7], rtol=1e-4, atol=1e-6)
    with pytest.raises(TypeError, match="images must be float in"):
        to_float(np.zeros((1, 2, 2, 1), np.int64))


def test_any_input_shape_on_request(classifier):
    other = classifier.with_input_shape((16, 16, 3))
    assert other.layers()["blocks.1"] == (8, 8, 6)
    assert other.logits(other.params, jnp.ones((1, 16, 16, 3))).shape == (1, 4)
    with pytest.raises(
        ValueError, match=r"preprocessing for 3 channels does not fit images of 1 channel: give .*mean="
    ):
        classifier.with_input_shape((16, 16, 1))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 8, 12, 1)), r"the model takes \[B, 8, 12, 3\]; got \[1, 8, 12, 1\]"),
        (np.zeros((8, 12, 3)), r"the model takes \[B, 8, 12, 3\]; got \[8, 12, 3\]"),
        ([[1]], "got a list"),
    ],
)
def test_images_of_another_shape_are_refused(classifier, images, message):
    for call in (classifier.predict, lambda x: classifier.logits(classifier.params, x)):
        with pytest.raises(ValueError, match=message):
            call(images)


def test_bad_offsets_layers_classes_and_outputs_are_refused(classifier, module, images):
    with pytest.raises(ValueError, match=r"the offset for layer 'blocks.1' must be \[2, 4, 6, 6\]; got \[2, 3, 6, 6\]"):
        classifier.tapped(classifier.params, images, {"blocks.1": jnp.zeros((2, 3, 6, 6))})
    with pytest.raises(ValueError, match=r"no layer 'blocks\.7'; it has preprocess, blocks\.0\.conv"):
        classifier.tapped(classifier.params, images, {"blocks.7": None})
    with pytest.raises(ValueError, match="no layer 'nowhere'"):
        Classifier.from_nnx(module, input_shape=(8, 12, 3), layer="nowhere")
    with pytest.raises(ValueError, match="classes must be 4 different names for 4 logits"):
        Classifier.from_nnx(module, input_shape=(8, 12, 3), classes=["a", "b"])
    with pytest.raises(ValueError, match=r"input_shape must be \(H, W, C\)"):
        Classifier.from_nnx(module, input_shape=(8, 12))
    with pytest.raises(ValueError, match="does not fit images of 1 channel"):
        Classifier.from_function(lambda p, x: x, 1.0, input_shape=(8, 8, 1), preprocess="torch")
    with pytest.raises(ValueError, match=r"must return logits \[B, K\]; got float32\[3, 8, 8, 1\]"):
        Classifier.from_function(lambda p, x: x * p, 1.0, input_shape=(8, 8, 1))
    with pytest.raises(ValueError, match="two logits or more"):
        Classifier.from_function(lambda p, x: x.mean((1, 2)) * p, 1.0, input_shape=(8, 8, 1))
    with pytest.raises(TypeError, match=r"must be a flax\.nnx\.Module"):
        Classifier.from_nnx(lambda x: x, input_shape=(8, 12, 3))


def test_logits_can_be_picked_from_what_the_module_returns():
    class Two(nnx.Module):
        def __init__(self, rngs):
            self.dense = nnx.Linear(3, 2, rngs=rngs)

        def __call__(self, x, train):
            return {"main": self.dense(x.mean((1, 2))), "auxiliary": jnp.inf if train else 0.0}

    with pytest.raises(ValueError, match="give select="):
        Classifier.from_nnx(Two(nnx.Rngs(0)), input_shape=(4, 4, 3))
    model = Classifier.from_nnx(Two(nnx.Rngs(0)), input_shape=(4, 4, 3), select=lambda out: out["main"])
    assert model.classes == ("0", "1")


def test_two_threads_do_not_see_each_others_taps(classifier, images):
    expected = classifier.tapped(classifier.params, images, {"blocks.0": None})
    failures = []

    def work():
        for _ in range(3):
            activations = classifier.tapped(classifier.params, images, {"blocks.0": None})[1]
            if not np.array_equal(activations["blocks.0"], expected[1]["blocks.0"]) or len(activations) != 1:
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_no_tracer_is_kept_after_a_jitted_call(classifier, images):
    with jax.checking_leaks():
        jax.jit(lambda c, x: c.tapped(c.params, x, {"blocks.0": None})[0])(classifier, images).block_until_ready()
    gc.collect()


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("identity", [0.2, 0.4, 0.6]),
        ("tf", [-0.6, -0.2, 0.2]),
        ("caffe", [0.6 * 255 - 103.939, 0.4 * 255 - 116.779, 0.2 * 255 - 123.68]),
        ("torch", [(0.2 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, (0.6 - 0.406) / 0.225]),
    ],
)
def test_preprocessing_styles(style, expected):
    pixel = jnp.array([0.2, 0.4, 0.6]).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(Preprocess.named(style)(pixel).ravel(), expected, rtol=1e-5, atol=1e-5)


def test_bad_preprocessing_is_refused():
    with pytest.raises(ValueError, match="one of identity, tf, caffe, torch, xrv; got 'keras'"):
        Preprocess.named("keras")
    with pytest.raises(ValueError, match="scale and std not zero"):
        Preprocess(std=(0.0,))
    with pytest.raises(ValueError, match='order must be "rgb" or "bgr"'):
        Preprocess(order="hsv")
    with pytest.raises(ValueError, match="does not fit images of 1 channel"):
        Preprocess(order="bgr").check_shape((8, 8, 1))


class TestInOneLine:
    """`repr` and `_repr_html_`: one line, whatever is in the place of the arrays, and no device is touched."""

    def test_what_it_says(self, classifier):
        # 3*3*3*5+5 + 2*5, 3*3*5*6+6 + 2*6, 6*4+4: without the batch statistics
        assert classifier.parameter_count() == 140 + 10 + 276 + 12 + 28
        assert repr(classifier) == "Classifier(nnx module, 8x12x3, 4 classes, softmax, 466 parameters)"
        assert classifier.output == "softmax"

    def test_models_of_every_kind(self):
        linear = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, jnp.eye(3), input_shape=(8, 8, 3))
        assert repr(linear) == "Classifier(plain function, 8x8x3, 3 classes, softmax, 9 parameters)"
        pair = Classifier.from_functions(
            lambda p, x: x * p[0],
            lambda p, a: a.mean((1, 2)) @ p[1],
            (jnp.ones(()), jnp.ones((3, 2))),
            input_shape=(8, 8, 3),
        )
        assert repr(pair) == "Classifier(function pair, 8x8x3, 2 classes, softmax, 7 parameters)"

    def test_an_architecture_is_named_and_large_numbers_are_short(self):
        from xaijax.classifier import Architecture
        from xaijax.models.zoo import _create

        named = Architecture("resnet50")
        abstract = _create.param_shapes(named, 3, (224, 224, 3))
        made = _create.assemble(named, abstract, (224, 224, 3), 3, "torch")
        assert repr(made) == "Classifier(resnet50, 224x224x3, 3 classes, softmax, 23.5 M parameters)"

    def test_other_things_in_the_place_of_arrays(self, classifier):
        seen = []
        jax.jit(lambda given: seen.append(repr(given)))(classifier)
        assert seen == [repr(classifier)]
        for other in (None, jax.tree.map(lambda leaf: 0, classifier.params)):
            assert "unknown parameters" in repr(classifier.with_params(other))

    def test_nothing_runs_on_a_device(self, classifier):
        with jax.transfer_guard("disallow_explicit"):
            assert "\n" not in repr(classifier)
            classifier._repr_html_()

    def test_a_table_for_notebooks(self, classifier):
        import dataclasses

        many = dataclasses.replace(classifier, classes=("<b>", *map(str, range(11))))
        html = many._repr_html_()
        assert html.startswith("<table>")
        assert "&lt;b&gt;, 0, 1" in html
        assert "8, ... (12)" in html
        assert "<b>" not in html


def test_zero_offsets_vary_over_the_mesh_as_the_images_do(classifier, images):
    """Else a gradient with respect to them would be summed over the devices of `shard_map`."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
    spec = jax.sharding.PartitionSpec("data")

    def total(start, images):
        # A scan refuses a start that does not vary over the mesh as what is added to it does.
        return jax.lax.scan(lambda total, _: (total + images.sum(), None), start, length=2)[0]

    def local(images):
        return total(classifier.zero_offsets(images, ["blocks.1"])["blocks.1"], images)

    found = jax.shard_map(local, mesh=mesh, in_specs=spec, out_specs=spec)(images)
    np.testing.assert_allclose(found, jnp.full(found.shape, 2 * images.sum()), rtol=1e-5)
    plain = jax.shard_map(
        lambda images: total(jnp.zeros((2, 4, 6, 6)), images), mesh=mesh, in_specs=spec, out_specs=spec
    )
    with pytest.raises(TypeError, match="carry"):
        plain(images)


def test_zero_offsets_have_at_least_32_bits(classifier, images):
    small = classifier.optimized(dtype="bfloat16")
    assert small.zero_offsets(images, ["blocks.1"])["blocks.1"].dtype == jnp.float32
    for numbers in (np.zeros(images.shape, np.uint8), np.asarray(images)):
        assert classifier.zero_offsets(numbers, ["blocks.1"])["blocks.1"].dtype == jnp.float32
