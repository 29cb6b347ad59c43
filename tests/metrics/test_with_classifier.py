"""`evaluate` with a real `Classifier`: compiled once, uint8 in, an edge of the MRI phantom found."""

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.metrics import evaluate, health


def make_classifier(traces):
    def logits(params, images):
        traces.append(images.shape)
        middle = images[:, 8:16, 8:16]
        light = middle.mean((1, 2, 3))
        return jnp.stack([light, 0.5 - light], axis=1) * params

    return Classifier.from_function(logits, jnp.float32(12.0), input_shape=(24, 24, 1), classes=("spot", "none"))


def test_a_map_of_the_evidence_beats_its_opposite_and_noise():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (4, 24, 24, 1)).astype(np.uint8)
    images[:, 8:16, 8:16] += 180
    masks = np.zeros((4, 24, 24), bool)
    masks[:, 8:16, 8:16] = True
    ramp = masks + 0.1 * rng.random((4, 24, 24))
    traces = []
    classifier = make_classifier(traces)
    traces.clear()
    maps = {"evidence": ramp, "opposite": -ramp, "random": rng.random((4, 24, 24))}
    scores = evaluate(
        classifier, images, np.zeros(4, np.int32), maps, masks, ["sic_mutual", "average_precision"], oracle=True,
        batch_size=32, settings={"pic": {"random_masks": 2}},
    )  # fmt: skip
    assert traces == [(32, 24, 24, 1)]
    _, methods, values = scores.matrix("sic_mutual")
    means = dict(zip(methods, np.nanmean(values, axis=0), strict=True))
    assert means["evidence"] > means["random"] > means["opposite"]
    report = health(scores)
    assert report["sic_mutual"].oracle > report["sic_mutual"].random
    assert report["sic_mutual"].used == 4
    _, _, precision = scores.matrix("average_precision")
    np.testing.assert_allclose(precision[:, 0], 1.0)


def test_noise_may_carry_images_of_floats_out_of_their_range_and_the_users_own_may_not():
    rng = np.random.default_rng(0)
    images = np.round(rng.random((3, 24, 24, 1))).astype(np.float32)  # black and white: every noise leaves [0, 1]
    maps = {"random": rng.random((3, 24, 24))}
    labels = np.zeros(3, np.int32)
    names = ["road", "insertion_noisy_linear", "infidelity", "pgi", "monotonicity_correlation"]
    scores = evaluate(make_classifier([]), images, labels, maps, metrics=names)
    for name in names:
        assert np.isfinite(scores.matrix(name)[2]).all(), name
    with pytest.raises(InputError, match=r"must be in \[0, 1\]"):
        evaluate(make_classifier([]), images - 0.5, labels, maps, metrics=names)
    with pytest.raises(InputError, match=r"must be in \[0, 1\]"):
        make_classifier([]).predict(images - 0.5)
