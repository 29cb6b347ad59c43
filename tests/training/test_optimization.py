"""The optimisation: optimisers, phases, precision, batch statistics, early stopping, and what is refused."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from xaijax import models, training
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.training._scores import logits
from xaijax.training._start import head_names
from xaijax.training._step import Descent, step
from xaijax.training._train import Record
from xaijax.training._trainer import Trainer


def test_train_learns_and_keeps_the_best_epoch():
    random = np.random.default_rng(0)
    labels = np.arange(48) % 2
    images = random.random((48, 16, 16, 1)).astype(np.float32) * 0.4
    images[labels == 1, 4:8, 4:8] += 0.5
    start = models.create("small_cnn", 2, (16, 16, 1), width=4)
    seen = []
    options = training.Options(epochs=6, batch_size=16, learning_rate=1e-2, augmentation=None)
    before = jax.tree.map(np.array, start.params)
    done = training.train(
        start, images[:32], labels[:32], validation=(images[32:], labels[32:]), options=options, on_epoch=seen.append
    )
    jax.tree.map(np.testing.assert_array_equal, before, start.params)
    assert done.metrics["macro_f1"] > 0.9
    assert len(done.log) == len(seen) <= 6
    best = max(done.log, key=lambda row: (row["validation_macro_f1"], -row["validation_loss"]))
    assert best["epoch"] == done.best_epoch
    again = training.classification_scores(done.classifier, images[32:], labels[32:], batch_size=5)
    assert again["confusion"] == done.metrics["confusion"]
    assert again["loss"] == pytest.approx(done.metrics["loss"], rel=1e-4)
    statistics = done.classifier.params["stem"]["norm"]["mean"]
    assert np.abs(statistics - before["stem"]["norm"]["mean"]).max() > 1e-3


def test_batch_statistics_are_those_of_the_training_images():
    """Of the first batch norm, whose input can be computed by hand, over all images in two batches."""
    images = np.random.default_rng(0).random((32, 16, 16, 1)).astype(np.float32)
    start = models.create("small_cnn", 2, (16, 16, 1), width=4)
    options = training.Options(epochs=6, batch_size=16, learning_rate=1e-2)  # augmentation must not show
    trainer = Trainer(start, images, np.arange(32) % 2, options)
    for _ in trainer.epoch(1):
        pass
    made = trainer.trained(1)
    convolved = np.asarray(made.tapped(made.params, images, {"stem.conv": None})[1]["stem.conv"], np.float64)
    np.testing.assert_allclose(made.params["stem"]["norm"]["mean"], convolved.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.params["stem"]["norm"]["var"], convolved.var((0, 1, 2)), rtol=1e-2)
    running = trainer.state[1]["stem.norm.mean"]
    assert np.abs(running - made.params["stem"]["norm"]["mean"]).max() > 1e-3  # training goes on with its own


def validation(macro_f1, loss):
    return {"macro_f1": macro_f1, "loss": loss, "accuracy": macro_f1}


def test_early_stopping_waits_for_patience_and_prefers_f1_then_loss():
    record = Record()
    course = [(0.5, 1.0), (0.6, 2.0), (0.6, 1.5), (0.55, 0.1), (0.6, 1.5)]
    better = [record.add(epoch, [1.0, 3.0], validation(*values), 0.1, False) for epoch, values in enumerate(course, 1)]
    assert better == [True, True, True, False, False]
    assert record.best_epoch == 3
    assert record.log[0]["train_loss"] == 2.0
    assert record.is_stale(2)
    assert not record.is_stale(3)


def test_a_loss_that_is_no_number_is_an_error():
    for losses, loss in (([1.0, float("nan")], 1.0), ([1.0], float("inf"))):
        with pytest.raises(ValueError, match="the loss is not a number any more in epoch 1; use a smaller learning"):
            Record().add(1, losses, validation(0.5, loss), 0.1, False)


def test_bad_labels_and_models_are_refused():
    start = models.create("small_cnn", 2, (16, 16, 1), width=1)
    images = np.zeros((4, 16, 16, 1), np.uint8)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1; got 0 to 2"):
        training.train(start, images, [0, 1, 2, 0], validation=(images, [0] * 4))
    with pytest.raises(ValueError, match="as many and not none; got 4, 3"):
        training.train(start, images, [0, 1, 0], validation=(images, [0] * 4))
    function = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, jnp.ones((1, 2)), input_shape=(16, 16, 1))
    with pytest.raises(ValueError, match="made from a plain function cannot be trained"):
        training.train(function, images, [0, 1, 0, 1], validation=(images, [0] * 4))
    for bad, message in (
        ({"epochs": 0}, "epochs is 0; it must be a whole number from 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be a number above 0"),
        ({"warmup": 1.0}, "warmup is 1.0; it must be a number from 0 to below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            training.Options(**bad)


def test_learning_rates_rise_and_fall_as_they_say():
    for schedule, halfway in (("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)):
        rates = Descent("adamw", schedule, 0.2, 0.0, 10, 110).rates()
        assert float(rates(0)) == 0
        assert float(rates(5)) == pytest.approx(0.1)
        assert float(rates(10)) == pytest.approx(0.2)
        assert float(rates(60)) == pytest.approx(0.2 * halfway)
    quarter = Descent("adamw", "cosine", 1.0, 0.0, 0, 100).rates()(25)
    assert float(quarter) == pytest.approx((1 + np.cos(np.pi / 4)) / 2)


def test_the_optimisers_in_closed_form():
    """Two steps with a constant gradient; decay on the kernel alone."""
    start = {"kernel": jnp.ones((1, 2)), "bias": jnp.ones(2)}
    gradient = {"kernel": jnp.array([[2.0, -3.0]]), "bias": jnp.array([2.0, -3.0])}
    sign = np.array([1.0, -1.0])

    def two_steps(name, momentum=0.9, nesterov=True):
        transformation = Descent(name, "constant", 0.1, 0.5, 0, 10, momentum, nesterov).transformation()
        params, moments = start, transformation.init(start)
        for _ in range(2):
            updates, moments = transformation.update(gradient, moments, params)
            params = optax.apply_updates(params, updates)
        return params

    found = two_steps("adamw")
    kernel = np.ones(2)
    for _ in range(2):
        kernel = kernel - 0.1 * (sign + 0.5 * kernel)  # a constant gradient has m / sqrt(v) = its sign
    np.testing.assert_allclose(found["kernel"][0], kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["bias"], 1 - 0.2 * sign, rtol=1e-5)
    found = two_steps("sgd")
    kernel, bias, trace, slope = np.ones(2), np.ones(2), np.zeros(2), np.array([2.0, -3.0])
    for _ in range(2):
        trace = 0.9 * trace + slope
        kernel = kernel - 0.1 * (0.9 * trace + slope + 0.5 * kernel)
        bias = bias - 0.1 * (0.9 * trace + slope)
    np.testing.assert_allclose(found["kernel"][0], kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["bias"], bias, rtol=1e-5)
    plain = two_steps("sgd", 0.939, nesterov=False)
    np.testing.assert_allclose(plain["bias"], 1 - 0.1 * (slope + 1.939 * slope), rtol=1e-5)


def test_momentum_of_another_optimiser_is_refused():
    with pytest.raises(InputError, match="momentum and nesterov are for optimizer='sgd'; it is 'adamw'"):
        training.Options(momentum=0.5)
    assert training.Options(optimizer="sgd", momentum=0.939, nesterov=False).momentum == 0.939


def test_the_head_is_what_stands_behind_the_backbone():
    assert head_names(models.create("squeezenet", 2, (32, 32, 3))) == ("class_maps.bias", "class_maps.kernel")
    hidden = models.create("small_resnet", 2, (32, 32, 3), hidden=(8,))
    assert head_names(hidden) == tuple(
        f"head.{layer}.{leaf}" for layer in ("hidden1", "logits") for leaf in ("bias", "kernel")
    )


def test_a_frozen_backbone_stays_as_it_is_and_is_trained_afterwards():
    images = np.random.default_rng(0).random((16, 16, 16, 1)).astype(np.float32)
    start = models.create("small_cnn", 2, (16, 16, 1), width=4)
    options = training.Options(
        epochs=3, batch_size=8, frozen_epochs=2, frozen_learning_rate=0.1, learning_rate=0.01, augmentation=None
    )
    trainer = Trainer(start, images, np.arange(16) % 2, options)
    assert jax.tree.leaves(trainer.state[2])  # of the head alone
    sizes = {leaf.shape for leaf in jax.tree.leaves(trainer.state[2])}
    assert sizes == {(), (2,), (24, 2)}
    for number in (1, 2):
        list(trainer.epoch(number))
        assert trainer.learning_rate(number) == pytest.approx(0.1)
    frozen = trainer.trained(2)
    for name in start.params:
        same = jax.tree.leaves(jax.tree.map(np.array_equal, frozen.params[name], start.params[name]))
        assert not any(same) if name == "dense" else all(same)
    list(trainer.epoch(3))
    assert trainer.learning_rate(3) == pytest.approx(0.01 * (1 + np.cos(np.pi / 2)) / 2)  # the last of two steps
    after = trainer.trained(3)
    changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), after.params, start.params)
    assert all(jax.tree.leaves(changed))


def test_patience_counts_from_the_end_of_the_frozen_epochs():
    record = Record()
    for epoch in range(1, 5):
        record.add(epoch, [1.0], validation(0.5, float(epoch)), 0.1, epoch <= 3)
    assert record.best_epoch == 1
    assert record.is_stale(3)
    assert not record.is_stale(2, frozen_epochs=3)
    assert record.is_stale(1, frozen_epochs=3)
    assert [row["backbone_frozen"] for row in record.log] == [True, True, True, False]


def test_bfloat16_computes_in_it_and_keeps_float32_parameters_and_statistics():
    random = np.random.default_rng(0)
    images, labels = random.random((16, 16, 16, 1)).astype(np.float32), np.arange(16) % 2
    start = models.create("small_cnn", 2, (16, 16, 1), width=4)
    losses, states = {}, {}
    for precision in ("float32", "bfloat16"):
        options = training.Options(epochs=1, batch_size=16, warmup=0.0, augmentation=None, precision=precision)
        trainer = Trainer(start, images, labels, options)
        text = step.lower(
            trainer.recipe(1), trainer.state, images, trainer.labels, trainer._weights, jax.random.key(0)
        ).as_text()
        convolutions = re.findall(r"stablehlo\.convolution.*: \(tensor<\S*x(\w+)>, tensor<\S*x(\w+)>\)", text)
        short = "bf16" if precision == "bfloat16" else "f32"
        assert len(convolutions) >= 17  # six forward, and backward with respect to kernels and activations
        assert {kind for pair in convolutions for kind in pair} == {short}
        losses[precision] = list(trainer.epoch(1))
        states[precision] = trainer.state
    assert {leaf.dtype for leaf in jax.tree.leaves(states["bfloat16"][:2])} == {np.dtype(np.float32)}
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.02)
    # bfloat16 keeps 8 bits; the statistics are sums of many values, taken in float32.
    for name, value in states["bfloat16"][1].items():
        np.testing.assert_allclose(value, states["float32"][1][name], rtol=0.02, atol=0.02)


def test_logits_do_not_depend_on_the_batch_size():
    images = np.random.default_rng(0).random((5, 16, 16, 1)).astype(np.float32)
    model = models.create("small_cnn", 2, (16, 16, 1), width=1)
    whole = logits(model, images)
    assert whole.shape == (5, 2)
    np.testing.assert_allclose(logits(model, images, batch_size=2), whole, rtol=1e-4, atol=1e-5)
