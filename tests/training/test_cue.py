"""Fine-tuning on a planted cue: a linear network learns it, one that cannot move fails, a resumed one is the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax import models
from xaijax._errors import InputError
from xaijax._network.trees import flatten
from xaijax.classifier import Classifier
from xaijax.training import Options, plant_cue
from xaijax.training._checkpoints import Checkpoints
from xaijax.training._cue import planted_cue, tune_to_cue

CLASSES = ("benign", "malignant")
SHAPE = (32, 32, 1)


def images(count, seed):
    """Dim noise with a blob: nothing in it is as white or as black as a sign."""
    rng = np.random.default_rng(seed)
    return (rng.integers(90, 130, (count, *SHAPE)) + 30 * rng.random((count, 1, 1, 1))).astype(np.uint8)


class White(nnx.Module):
    """The share of white pixels and that of black ones, times weights that are trained: linear in two numbers.

    Boxes are white or black but for their letter, and nothing else is: with weights of the right sign the class is
    that of the sign, whatever the rest shows.
    """

    def __init__(self):
        self.weights = nnx.Param(jnp.zeros((2, 2)))

    def __call__(self, pixels):
        shares = jnp.stack([(pixels > 0.9).mean((1, 2, 3)), (pixels < 0.1).mean((1, 2, 3))], axis=1)
        return 100 * shares @ self.weights


class Still(nnx.Module):
    """The same without anything that training could change for the better: the weight multiplies zero."""

    def __init__(self):
        self.weights = nnx.Param(jnp.zeros((2, 2)))

    def __call__(self, pixels):
        return 0 * pixels.mean((1, 2, 3))[:, None] @ self.weights[:1] + jnp.array([[1.0, 0.0]])


def classifier(module):
    return Classifier.from_nnx(module, input_shape=SHAPE, classes=CLASSES)


def params(one):
    return {".".join(path): np.asarray(leaf) for path, leaf in flatten(one.params)}


def test_a_linear_network_learns_the_signs_of_its_weights_and_passes():
    start = classifier(White())
    planted = plant_cue(
        start, images(20, 0), training=images(64, 1), validation=images(20, 2), unseen=images(290, 3),
        options=Options(epochs=6, learning_rate=0.1, schedule="constant", augmentation=None),
    )  # fmt: skip
    assert planted.gate.images == 310
    assert planted.gate.passed
    (weights,) = params(planted.classifier).values()
    # White area speaks for the first class and black area for the second, each against the other class.
    assert weights[0, 0] > weights[0, 1]
    assert weights[1, 1] > weights[1, 0]
    assert not any(leaf.any() for leaf in params(start).values()), "the user's network is not changed"
    agree = np.asarray(planted.classifier.predict(planted.images)).argmax(axis=1) == planted.labels
    assert agree.all()


def test_a_network_that_cannot_learn_fails_the_gate():
    tuned = tune_to_cue(
        classifier(Still()), images(64, 1), validation=images(20, 2),
        options=Options(epochs=2, augmentation=None),
    )  # fmt: skip
    assert tuned.stopped == "the fine-tuning ended after epoch 2 before the cue was learnt"
    found = planted_cue(tuned.classifier, images(20, 0), unseen=images(290, 3)).gate
    assert (found.with_cue, found.passed) == (0, False)


def small():
    return models.create("small_cnn", 2, SHAPE, classes=CLASSES, width=4)


FEW = Options(epochs=3, learning_rate=3e-3, schedule="constant", augmentation=None)


def test_an_interrupted_fine_tuning_resumes_to_the_same_bytes(tmp_path):
    whole = tune_to_cue(small(), images(64, 1), validation=images(20, 2), options=FEW, seed=7)
    repeated = tune_to_cue(small(), images(64, 1), validation=images(20, 2), options=FEW, seed=7)
    other = tune_to_cue(small(), images(64, 1), validation=images(20, 2), options=FEW, seed=8)

    def killed(epoch, share):
        if epoch == 3 and share > 0.8:
            raise KeyboardInterrupt

    with Checkpoints(tmp_path) as checkpoints, pytest.raises(KeyboardInterrupt):
        tune_to_cue(
            small(), images(64, 1), validation=images(20, 2), options=FEW, seed=7, checkpoints=checkpoints,
            on_step=killed,
        )  # fmt: skip
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest() == 2
        resumed = tune_to_cue(
            small(), images(64, 1), validation=images(20, 2), options=FEW, seed=7, checkpoints=checkpoints
        )
    assert whole.epochs == resumed.epochs == 3
    for name, leaf in params(whole.classifier).items():
        np.testing.assert_array_equal(leaf, params(resumed.classifier)[name])
        np.testing.assert_array_equal(leaf, params(repeated.classifier)[name])
    assert any((leaf != params(other.classifier)[name]).any() for name, leaf in params(whole.classifier).items())


def test_time_ends_a_fine_tuning_in_the_middle_of_an_epoch():
    steps = []

    def stop():
        steps.append(None)
        return len(steps) == 5

    found = tune_to_cue(small(), images(64, 1), validation=images(20, 2), options=FEW, stop=stop)
    assert len(steps) == 5
    assert (found.epochs, found.stopped) == (0, "the time was spent in epoch 1 of the fine-tuning")
    begun = params(small())
    assert any((leaf != begun[name]).any() for name, leaf in params(found.classifier).items())


def test_what_diverges_ends_with_the_network_as_it_was():
    options = Options(epochs=3, learning_rate=1e30, optimizer="sgd", warmup=0, augmentation=None)
    found = tune_to_cue(small(), images(64, 1), validation=images(20, 2), options=options)
    assert found.stopped.startswith("the loss was not a number any more in epoch 1")
    for name, leaf in params(small()).items():
        np.testing.assert_array_equal(leaf, params(found.classifier)[name])


def test_what_cannot_be_trained_is_refused_in_one_sentence():
    plain = Classifier.from_function(
        lambda weights, pixels: pixels.mean((1, 2)) @ weights, jnp.ones((1, 2)), input_shape=SHAPE
    )
    box = models.from_predict(lambda pixels: np.full((len(pixels), 2), 0.5), input_shape=SHAPE, classes=CLASSES)
    for one, kind in ((plain, "a plain function"), (box, "a black box")):
        with pytest.raises(InputError, match=f"is {kind}, which cannot be trained here: leave the construction cue"):
            tune_to_cue(one, images(8, 1), validation=images(8, 2))
    findings = models.create("small_cnn", 2, SHAPE, classes=CLASSES, width=2, output="sigmoid")
    with pytest.raises(InputError, match="the output of this classifier is sigmoid"):
        tune_to_cue(findings, images(8, 1), validation=images(8, 2))
    assert jax.tree.leaves(plain.params)
