"""The construction `cue`: networks whose truth is known by hand pass the gate or fail it; cases have that truth."""

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.data.cues import sign
from xaijax.metrics.calibration import (
    Calibration,
    Gate,
    PlantedCue,
    calibrate,
    judge,
    measure_gate,
    plan,
    score_case,
    with_cue,
)
from xaijax.training._cue import CueImages, planted_cue, planted_images

SIZE = (32, 32)
IMAGES = np.random.default_rng(0).integers(60, 190, (320, *SIZE, 1)).astype(np.uint8)
IMAGES[:, ::2, ::2] = np.random.default_rng(1).integers(0, 256, (320, 1, 1, 1))


def reader(images, strength=40.0):
    """Logits that the margin of the sign decides: nine pixels in a column that are all white, or all black.

    Letters are seven pixels high, and noise of 60 to 190 is neither.
    """
    values = images[..., 0]
    column = jnp.stack([values[:, i : i + 24] for i in range(9)], axis=1)
    white, black = column.min(axis=1).max(axis=(1, 2)), 1 - column.max(axis=1).min(axis=(1, 2))
    return strength * (jnp.stack([white, black], axis=1) - 0.5)


def network(function):
    return Classifier.from_function(
        lambda params, images: function(images) * params, jnp.ones(()), input_shape=(*SIZE, 1), classes=("a", "b")
    )


def content(images):
    """A network that reads the image and never the sign: the grey level that every fourth pixel shares."""
    shared = jnp.median(images[:, ::2, ::2, 0], axis=(1, 2))
    return 40.0 * jnp.stack([shared - 0.5, 0.5 - shared], axis=1)


def test_a_network_that_reads_the_sign_alone_passes_and_its_cases_are_the_region():
    planted = planted_cue(network(reader), IMAGES[:12], unseen=IMAGES[12:], seed=3)
    assert planted.gate == Gate(320, 320, 0)
    assert planted.gate.passed
    made = with_cue(plan(network(content), IMAGES[:12], np.zeros(12, int)), planted)
    cases = [case for case in made.cases if case.construction == "cue"]
    assert len(cases) == 12
    assert {case.label_class for case in cases} == {"a", "b"}
    assert [case.number for case in made.cases] == list(range(len(made.cases)))
    rng = np.random.default_rng(0)
    for case in cases:
        scene = made.scene(case.number)
        region = scene.truth == 1
        assert 0 < region.mean() < 0.2
        assert set(np.unique(scene.truth)) == {0, 1}
        before = scene.classifier.predict(scene.image[None])
        assert before.argmax() == case.label
        elsewhere = np.where(region[..., None], scene.image, rng.integers(60, 190, scene.image.shape)).astype(np.uint8)
        np.testing.assert_allclose(scene.classifier.predict(elsewhere[None]), before, atol=1e-5)
        inverted = np.where(region[..., None], 255 - scene.image, scene.image).astype(np.uint8)
        assert scene.classifier.predict(inverted[None]).argmax() != case.label


def test_a_network_that_reads_the_rest_fails_and_gives_no_case():
    planted = planted_cue(network(content), IMAGES[:12], unseen=IMAGES[12:], seed=3)
    assert not planted.gate.passed
    assert planted.gate.with_cue < 10
    assert planted.gate.with_rest > 100
    made = with_cue(plan(network(content), IMAGES[:12], np.zeros(12, int)), planted)
    assert {case.construction for case in made.cases} <= {"view", "mosaic", "parts"}
    assert made.left_out["cue"] == {"gate": 12}
    described = made.describe()["constructions"]["cue"]
    assert (described["cases"], described["left_out"], described["gate"]["passed"]) == (0, {"gate": 12}, False)


def test_a_network_that_answers_one_class_fails():
    def constant(images):
        return jnp.zeros((len(images), 2)) + jnp.array([1.0, 0.0])

    found = planted_cue(network(constant), IMAGES[:12], unseen=IMAGES[12:]).gate
    assert (found.with_cue, found.with_rest, found.passed) == (0, 0, False)
    assert found.cue_low == 0


def test_bounds_are_those_of_the_binomial_distribution():
    from scipy.stats import binom

    for one in (Gate(352, 351, 1), Gate(832, 829, 3), Gate(40, 0, 40), Gate(299, 299, 0)):
        if one.with_cue:
            np.testing.assert_allclose(binom.sf(one.with_cue - 1, one.images, one.cue_low), 0.05, rtol=1e-6)
        if one.with_rest < one.images:
            np.testing.assert_allclose(binom.cdf(one.with_rest, one.images, one.rest_high), 0.05, rtol=1e-6)
        assert Gate.from_json(one.to_json()) == one
    assert [Gate(n, n, 0).passed for n in (298, 299)] == [False, True]
    # rounded against the network: a bound is not said to be better than it is
    assert "at least 98.6 %" in Gate(352, 351, 1).sentence()
    assert "at most 1.4 %" in Gate(352, 351, 1).sentence()
    with pytest.raises(InputError, match="as many images"):
        measure_gate(network(reader), IMAGES[:2], IMAGES[:2], IMAGES[:1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_signs_change_nothing_outside_their_box(dtype):
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    images = (np.random.default_rng(2).random((5, 40, 48, 3)) * top).astype(dtype)
    drawn = CueImages(images, 3, 60, (1,))
    every = np.arange(60)
    shown, masks = drawn.drawn(every)
    assert shown.dtype == dtype
    np.testing.assert_array_equal(shown[~masks], images[drawn.content][~masks])
    assert (masks.sum(axis=(1, 2)) == 99).all()  # of one size for all classes
    others, again = drawn.drawn(every, labels=(drawn.labels + 1) % 3)
    np.testing.assert_array_equal(masks, again)
    np.testing.assert_array_equal(shown[~masks], others[~masks])
    assert (shown != others).any(axis=(1, 2, 3)).all()
    moved, again = drawn.drawn(every, content=(drawn.content + 1) % 5)
    np.testing.assert_array_equal(masks, again)
    np.testing.assert_array_equal(shown[masks], moved[masks])
    assert set(np.bincount(drawn.labels)) == {20}
    assert set(np.bincount(drawn.content)) == {12}
    rows = {tuple(np.argwhere(mask)[0]) for mask in masks}
    assert len(rows) > 40  # anywhere in the image


def test_the_class_of_a_sign_says_nothing_about_its_image_or_place():
    drawn = CueImages(IMAGES, 2, 4000, (5,))
    for other in (drawn.content, drawn.places[:, 0], drawn.places[:, 1]):
        assert abs(np.corrcoef(drawn.labels, other)[0, 1]) < 0.06


def test_signs_differ_for_many_classes_and_do_not_fit_everywhere():
    for count in (2, 36, 37, 200):
        boxes = sign.boxes(count, (224, 224))
        assert len({box.tobytes() for box in boxes}) == count
    with pytest.raises(InputError, match="a sign of 11 x 9 pixels takes more than half of images of 20 x 20"):
        sign.boxes(2, (20, 20))


def test_planted_images_follow_from_images_and_seed_alone():
    first, second, other = (planted_images(IMAGES[:9], 3, seed=seed) for seed in (4, 4, 5))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[2], other[2])
    shown, labels, masks = first
    np.testing.assert_array_equal(shown[~masks], IMAGES[:9][~masks])
    assert np.bincount(labels).tolist() == [3, 3, 3]


def test_the_gate_takes_one_image_of_a_patient():
    groups = [f"p{i // 4}" for i in range(12)]
    found = planted_cue(network(reader), IMAGES[:12], unseen=IMAGES[12:], groups=groups)
    assert found.gate.images == 308 + 3
    assert found.groups == tuple(groups)


def test_a_calibration_judges_on_the_cue_and_rests_no_verdict_on_it():
    planted = planted_cue(network(reader), IMAGES[:16], unseen=IMAGES[16:], seed=3)
    options = {"metrics": ["deletion_black", "sparseness"], "settings": {"perturbation": {"steps": 6}}}
    labels = np.asarray(network(content).predict(IMAGES[:16])).argmax(axis=1)
    found = calibrate(network(content), IMAGES[:16], labels, planted=planted, **options)
    numbers = found.metrics["sparseness"].constructions["cue"]
    assert numbers.cases == 16
    assert numbers.twin.value == 0.5
    assert found.controls.passed
    assert found.constructions["cue"]["gate"]["passed"]
    assert all(one.decided_by != "cue" for one in found.metrics.values())
    again = Calibration.from_json(found.to_json())
    assert again.constructions["cue"]["gate"]["with_cue"] == 320


def test_the_worst_cue_changes_no_verdict():
    planted = planted_cue(network(reader), IMAGES[:9], unseen=IMAGES[9:], seed=3)
    labels = np.asarray(network(content).predict(IMAGES[:9])).argmax(axis=1)
    made = with_cue(plan(network(content), IMAGES[:9], labels), planted)
    settings = {"perturbation": {"steps": 4}}
    rows = [row for case in made.cases for row in score_case(made, case.number, ["deletion_black"], settings)]
    turned = [
        row._replace(value=-row.value) if (row.construction, row.metric) == ("cue", "deletion_black") else row
        for row in rows
    ]
    one, other = (judge(made, some).metrics["deletion_black"] for some in (rows, turned))
    assert one.constructions["cue"].twin.value == pytest.approx(1 - other.constructions["cue"].twin.value)
    assert one.constructions["cue"].twin.value > 0.5
    assert (one.verdict, one.why, one.decided_by) == (other.verdict, other.why, other.decided_by)


def test_wrong_uses_are_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"add what xaijax\.training.plant_cue gives with with_cue"):
        plan(network(reader), IMAGES[:4], np.zeros(4, int), constructions=["view", "cue"])
    shown, labels, masks = planted_images(IMAGES[:4], 2)
    with pytest.raises(InputError, match="a label, a mask and a group for each of its 4 images; got 3"):
        PlantedCue(network(reader), shown, labels[:3], masks, Gate(4, 4, 0))
    with pytest.raises(InputError, match="must show a part of its image"):
        PlantedCue(network(reader), shown, labels, np.zeros_like(masks), Gate(4, 4, 0))
