"""What enters from outside is checked where it enters, and the message names the likely mistake."""

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain, models
from xaijax._errors import InputError
from xaijax._ranges import beyond, check_range
from xaijax.classifier import Classifier
from xaijax.metrics import evaluate
from xaijax.preprocess import Preprocess

SHAPE = (8, 8, 3)
UNIT = np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32)
MAPS = {"m": np.random.default_rng(1).random((2, 8, 8))}


def classifier():
    return Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(3), input_shape=SHAPE)


class Plain:
    classes = ("a", "b", "c")

    def predict(self, images):
        return np.full((len(images), 3), 1 / 3)


WRONG = [
    (UNIT * 255, "divide them by 255, or give them as uint8"),
    (UNIT * 4095, "give them as uint16"),
    ((UNIT - 0.45) / 0.225, "these look standardised.*its mean and std to the classifier as preprocess"),
]


@pytest.mark.parametrize(("images", "likely"), WRONG)
def test_floats_outside_the_range_are_refused_wherever_they_enter(images, likely):
    for call in (
        lambda: classifier().predict(images),
        lambda: classifier().predict(jnp.asarray(images)),
        lambda: explain.gradient(classifier(), images, 0),
        lambda: explain.explain("occlusion", classifier(), images, 0, window=4),
        lambda: evaluate(classifier(), images, [0, 0], MAPS, metrics=["deletion_black"]),
        lambda: evaluate(Plain(), images, [0, 0], MAPS, metrics=["deletion_black"]),
        lambda: models.from_predict(lambda x: x, input_shape=SHAPE, classes=["a", "b"]).predict(images),
    ):
        with pytest.raises(InputError, match=likely):
            call()


def test_what_is_in_range_passes():
    for images in (UNIT, (UNIT * 255).astype(np.uint8), (UNIT * 65535).astype(np.uint16), UNIT.astype(np.float64)):
        classifier().predict(images)
        evaluate(classifier(), images, [0, 0], MAPS, metrics=["deletion_black"])
    check_range(UNIT + np.float32(1e-4))  # what interpolation adds
    check_range(np.array([np.nan, 300.0]))  # reported elsewhere, by image
    with beyond():
        check_range(UNIT * 3 - 1)


def test_metrics_whose_noise_leaves_the_range_still_work():
    from xaijax.metrics import Explained

    def gradient(model, images, labels):
        return np.asarray(explain.gradient(model, images, labels))

    maps = {"gradient": Explained(gradient(classifier(), UNIT, np.array([0, 1])), explainer=gradient)}
    settings = {"robustness": {"draws": 3, "sensitivity_draws": 2, "lipschitz_draws": 2}}
    names = ["infidelity", "max_sensitivity", "local_lipschitz"]
    found = evaluate(classifier(), UNIT, [0, 1], maps, metrics=names, settings=settings)
    assert (found.reason == "").all()
    with pytest.raises(InputError):  # and the check is back
        check_range(UNIT * 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_an_object_with_predict_sees_floats_in_the_unit_range(dtype):
    seen = []

    class Watched(Plain):
        def predict(self, images):
            seen.append(images)
            return super().predict(images)

    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    images = (UNIT * scale).astype(dtype)
    for name in ("deletion_black", "average_drop", "sic_shannon", "road", "infidelity_patches"):
        evaluate(Watched(), images, [0, 0], MAPS, metrics=[name], settings={"robustness": {"draws": 3}})
    assert {x.dtype for x in seen} == {np.dtype(np.float32)}
    assert min(x.min() for x in seen) >= 0
    assert max(x.max() for x in seen) <= 1


def values(images, labels, maps, metrics=("deletion_black", "insertion_blur", "sic_shannon", "saco")):
    class Bright(Plain):
        def predict(self, images):
            light = np.asarray(images, np.float64).mean((1, 2, 3))
            return np.stack([light, 1 - light, np.zeros_like(light)], 1)

    return evaluate(Bright(), images, labels, maps, metrics=list(metrics)).value


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_arrays_in_the_byte_order_of_a_file_are_what_they_hold(dtype):
    """TIFF and NIfTI files of big-endian machines give such arrays."""
    images = (UNIT * (65535 if dtype == np.uint16 else 1)).astype(dtype)
    other = images.astype(images.dtype.newbyteorder(">"))
    maps = {"m": MAPS["m"].astype(">f8")}
    labels = np.array([0, 1], ">i4")
    np.testing.assert_array_equal(values(other, labels, maps), values(images, [0, 1], MAPS))


def test_classifiers_and_explainers_read_any_byte_order():
    model = classifier()
    for images in (UNIT, (UNIT * 65535).astype(np.uint16)):
        other = images.astype(images.dtype.newbyteorder(">"))
        np.testing.assert_array_equal(model.predict(other), model.predict(images))
        np.testing.assert_array_equal(
            explain.gradient(model, other, np.array([0, 1], ">i8")), explain.gradient(model, images, [0, 1])
        )


def test_integers_of_another_type_are_refused_with_the_likely_remedy():
    with pytest.raises(TypeError, match=r"got int\d\d: of values from 0 to 255 give images\.astype\(numpy\.uint8\)"):
        classifier().predict((UNIT * 255).astype(np.int64))


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_is_read_as_float32(dtype):
    images, maps = UNIT.astype(dtype), MAPS["m"].astype(dtype)
    np.testing.assert_array_equal(
        values(images, [0, 1], {"m": maps}),
        values(images.astype(np.float32), [0, 1], {"m": maps.astype(np.float32)}),
    )


def test_maps_of_more_bits_than_float32_keep_their_order():
    """A map whose pixels differ in the 30th bit: in float32 it would be flat."""
    fine = 1 + MAPS["m"] * 2.0**-30
    wanted = values(UNIT, [0, 1], {"m": fine}, ["deletion_black"])
    assert np.isfinite(wanted).all()
    found = values(UNIT, [0, 1], {"m": fine.astype(np.longdouble)}, ["deletion_black"])
    np.testing.assert_array_equal(found, wanted)


def test_a_label_that_32_bits_do_not_hold_is_refused_and_not_wrapped():
    class Nameless:
        def predict(self, images):
            return np.full((len(images), 3), 1 / 3)

    for label in (2**32, 2**31, 2**63):
        with pytest.raises(InputError, match=r"labels must be 0 or more, and below 2\^31; image '1' has"):
            evaluate(Nameless(), UNIT, np.array([0, label], np.uint64), MAPS, metrics=["deletion_black"])


class TestPreprocess:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["torch"], Preprocess.named("torch")),
            (["unit"], Preprocess()),
            (["mean=0.5", "std=0.25"], Preprocess(mean=(0.5,), std=(0.25,))),
            (["mean=0.1,0.2,0.3", "scale=255"], Preprocess(scale=255, mean=(0.1, 0.2, 0.3))),
        ],
    )
    def test_words_of_the_command_line(self, words, expected):
        assert Preprocess.read(words) == expected

    @pytest.mark.parametrize("words", [["imagenet"], ["mean=x"], ["mean=1", "mean=2"], ["std=0"], ["gamma=1"], []])
    def test_other_words_are_refused(self, words):
        if words:
            with pytest.raises(InputError):
                Preprocess.read(words)

    def test_it_replaces_what_the_file_says(self):
        plain = models.builtin()
        changed = models.load("builtin", preprocess=Preprocess(mean=(0.2,), std=(0.5,)))
        images = np.random.default_rng(0).random((1, *plain.input_shape)).astype(np.float32)
        again = plain.with_preprocess("identity")
        ours = (images - 0.2) / 0.5
        expected = again.logits(again.params, jnp.asarray(ours))
        np.testing.assert_allclose(changed.logits(changed.params, images), expected, rtol=1e-4, atol=1e-4)


def test_chest_networks_of_eighteen_findings_take_their_own_range():
    """DenseNets of radiographs: 18 findings, grey pixels from -1024 to 1024."""
    made = models.create("small_cnn", input_shape=(16, 16, 1), classes=[f"f{k}" for k in range(18)], output="sigmoid")
    wide = made.with_preprocess(Preprocess.read(["scale=2048", "mean=1024"]))
    black, white = (wide.preprocess(jnp.full((1, 1, 1, 1), level)).item() for level in (0.0, 1.0))
    assert (black, white) == (-1024.0, 1024.0)
    assert wide.predict(np.zeros((1, 16, 16, 1), np.uint8)).shape == (1, 18)


class TestForPyTorch:
    """What people who come from PyTorch give first, and what they are told."""

    def refused(self, match, *, images=UNIT, maps=MAPS["m"], model=None, error=InputError):
        with pytest.raises(error, match=match):
            evaluate(model or Plain(), images, [0, 0], {"m": maps}, metrics=["deletion_black"])

    def test_channels_first(self):
        self.refused(
            r"looks like channels first: give images.transpose\(0, 2, 3, 1\)", images=UNIT.transpose(0, 3, 1, 2)
        )

    def test_attributions_of_every_channel(self):
        self.refused(r"sum over the channels, maps.sum\(axis=1\)", maps=np.ones((2, 3, 8, 8)))
        self.refused(r"sum over the channels, maps.sum\(axis=3\)", maps=np.ones((2, 8, 8, 1)))

    def test_maps_of_a_layer(self):
        self.refused("resize them to the images", maps=np.ones((2, 4, 4)))

    def test_a_module(self):
        class Module:
            def __call__(self, images): ...

        self.refused(r"got Module: give models.from_predict\(function, ...\)", model=Module(), error=TypeError)

    def test_predict_of_another_library(self):
        from sklearn.linear_model import LogisticRegression

        def predict(images): ...

        class Functional:
            pass

        predict.__module__, Functional.predict = "keras.src.models.model", predict
        self.refused("is that of sklearn.*give models.from_predict", model=LogisticRegression(), error=TypeError)
        self.refused(r"is that of keras.*give models.from_keras\(model\)", model=Functional(), error=TypeError)
