"""The recipe of a study: every pixel standardised, a head of one's own, and what of it a saved model keeps."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import cli, explain, models, train
from xaijax._errors import InputError
from xaijax._network import nnx_module
from xaijax._runs.training import TrainingOptions, base, prepare, start
from xaijax.classifier import Classifier
from xaijax.data import open_dataset
from xaijax.explain.cams._fullgrad import fullgrad_with_gap
from xaijax.preprocess import GREY_LEVEL, PixelStatistics, Preprocess

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (20, 6, 5, 1)).astype(np.uint8)


def test_the_statistics_are_those_of_numpy_however_the_images_are_divided():
    found = PixelStatistics.of(IMAGES[at : at + 7] for at in range(0, 20, 7))
    pixels = IMAGES / 255
    np.testing.assert_allclose(found.mean, pixels.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.std, pixels.std(0), rtol=1e-6)
    assert found == PixelStatistics.of([IMAGES])
    assert hash(found) == hash(PixelStatistics.of([IMAGES]))
    assert found != PixelStatistics.of([IMAGES[1:]])
    assert PixelStatistics.from_plain(json.loads(json.dumps(found.plain()))) == found


def test_a_pixel_that_is_always_black_is_divided_by_a_grey_level():
    border = IMAGES.copy()
    border[:, 0] = 0
    made = Preprocess.standardized(border)
    assert (made.pixels.std[0] == np.float32(GREY_LEVEL)).all()
    seen = np.zeros((1, 6, 5, 1), np.float32)
    np.testing.assert_array_equal(made(seen)[0, 0], 0)  # and not infinite
    seen[0, 0] = 2 / 255
    np.testing.assert_allclose(made(seen)[0, 0], 2, rtol=1e-5)


def test_every_pixel_is_standardised_after_the_numbers_of_the_channels():
    colour = RANDOM.random((9, 4, 4, 3))
    made = dataclasses.replace(
        Preprocess.named("caffe"), pixels=PixelStatistics(np.ones((4, 4, 3)), np.full((4, 4, 3), 2))
    )
    expected = (colour[..., ::-1] * 255 - [103.939, 116.779, 123.68] - 1) / 2
    np.testing.assert_allclose(made(colour.astype(np.float32)), expected, rtol=1e-4, atol=1e-4)
    standard = np.asarray(Preprocess.standardized(colour)(colour.astype(np.float32)))
    np.testing.assert_allclose(standard.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std(0), 1, rtol=1e-4)


@pytest.mark.parametrize(
    ("mean", "std", "sentence"),
    [
        (np.zeros((2, 2)), np.ones((2, 2)), r"must be \[H, W, C\], both"),
        (np.zeros((2, 2, 1)), np.ones((2, 2, 3)), r"must be \[H, W, C\], both"),
        (np.zeros((2, 2, 1)), np.zeros((2, 2, 1)), "std above 0"),
    ],
)
def test_other_statistics_are_refused(mean, std, sentence):
    with pytest.raises(InputError, match=sentence):
        PixelStatistics(mean, std)
    with pytest.raises(InputError, match="needs images; got none"):
        PixelStatistics.of([])


@pytest.fixture
def standardized():
    made = models.create("small_cnn", 3, (16, 16, 1), width=4)
    return made.with_preprocess(Preprocess.standardized(RANDOM.random((9, 16, 16, 1))))


def test_a_saved_model_keeps_them_bit_for_bit(standardized, tmp_path):
    models.save(standardized, tmp_path)
    loaded = models.load(tmp_path)
    assert loaded.preprocess == standardized.preprocess
    np.testing.assert_array_equal(loaded.preprocess.pixels.mean, standardized.preprocess.pixels.mean)
    images = RANDOM.random((3, 16, 16, 1)).astype(np.float32)
    np.testing.assert_array_equal(
        loaded.logits(loaded.params, images), standardized.logits(standardized.params, images)
    )
    assert models.load(tmp_path, preprocess="identity").preprocess.is_identity


def test_images_of_another_size_are_refused(standardized, tmp_path):
    with pytest.raises(ValueError, match=r"standardised for images of \[16, 16, 1\], and these are \[24, 24, 1\]"):
        standardized.with_input_shape((24, 24, 1))
    models.save(standardized, tmp_path / "run")
    options = TrainingOptions(data="phantoms", weights=tmp_path / "run", size=32)
    with pytest.raises(InputError, match="standardise every pixel of images of 16x16 pixels: leave out --size"):
        start(options, base(options), open_dataset("phantoms", count=6))


def test_fullgrad_counts_the_mean_of_every_pixel(standardized):
    images = RANDOM.random((2, 16, 16, 1)).astype(np.float32)
    bias = standardized.biases(standardized.params)["preprocess"]
    pixels = standardized.preprocess.pixels
    np.testing.assert_allclose(bias, -pixels.mean / pixels.std, rtol=1e-5)
    _, gap = fullgrad_with_gap(standardized, images, jnp.array([0, 1]))
    size = np.abs(standardized.logits(standardized.params, images)).max()
    np.testing.assert_allclose(gap, 0, atol=2e-5 * float(size))


def test_a_linear_model_of_standardised_pixels_is_explained_in_displayed_pixels():
    """The gradient by a displayed pixel is the weight divided by the pixel's standard deviation."""
    weights = RANDOM.normal(size=(4, 4, 1)).astype(np.float32)
    statistics = PixelStatistics(RANDOM.random((4, 4, 1)), RANDOM.uniform(0.5, 2, (4, 4, 1)))

    def logits(params, images):
        score = (images * params).sum((1, 2, 3))
        return jnp.stack([score, -score], axis=1)

    made = Classifier.from_function(
        logits, jnp.asarray(weights), input_shape=(4, 4, 1), preprocess=Preprocess(pixels=statistics)
    )
    found = explain.gradient(made, RANDOM.random((1, 4, 4, 1)).astype(np.float32), jnp.array([0]), reduce="sum")
    np.testing.assert_allclose(found[0], (weights / statistics.std)[..., 0], rtol=1e-5)


@pytest.mark.parametrize("over", ["training", "all"])
def test_a_training_standardises_over_its_images(over, config, tmp_path):
    made = config(tmp_path / "out", standardize=over)
    material = prepare(made)
    sides = [side[np.arange(len(side))] for side in material.sides if len(side)]
    looked_at = sides[0] if over == "training" else np.concatenate(sides)
    pixels = looked_at / 255
    np.testing.assert_allclose(material.classifier.preprocess.pixels.mean, pixels.mean(0), atol=1e-6)
    expected = np.maximum(pixels.std(0), GREY_LEVEL)
    np.testing.assert_allclose(material.classifier.preprocess.pixels.std, expected, rtol=1e-4)


def test_the_recipe_of_the_study_trains(config, tmp_path, console, capsys):
    out = tmp_path / "out"
    options = {"optimizer": "sgd", "momentum": 0.939, "nesterov": False, "learning_rate": 0.01}
    train.run(config(out, standardize="all", head="flatten", dropout=0.5, epochs=2, **options), console=console)
    made = models.load(out)
    assert dict(made.architecture.options) == {"dropout": 0.5, "pool": "flatten"}
    assert made.preprocess.pixels.shape == made.input_shape
    described = json.loads((out / "run.json").read_text())["model"]["preprocess"]
    assert described["pixels"] == {"shape": list(made.input_shape), "digest": made.preprocess.pixels.digest}
    assert cli.main(["models", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"every pixel of \d+x\d+ minus its own mean", said)


@pytest.mark.parametrize("name", ["small_cnn", "small_resnet"])
def test_dropout_is_there_in_training_alone(name):
    made, plain = (models.create(name, 2, (32, 32, 1), **options) for options in ({"dropout": 0.5}, {}))
    images = RANDOM.random((4, 32, 32, 1)).astype(np.float32)
    np.testing.assert_array_equal(made.logits(made.params, images), plain.logits(plain.params, images))
    first, second = (
        nnx_module.apply_training(made.network, made.params, images, jax.random.key(seed), statistics=False)[0]
        for seed in (0, 1)
    )
    assert not np.allclose(first, second)


@pytest.mark.parametrize("pool", ["average", "max", "flatten"])
@pytest.mark.parametrize("side", [16, 23, 32])
def test_the_head_of_the_small_network(pool, side):
    made = models.create("small_cnn", 2, (side, side, 1), width=2, pool=pool)
    images = RANDOM.random((2, side, side, 1)).astype(np.float32)
    top = made.tapped(made.params, images, {"top": None})[1]["top"]
    flat = {"average": top.mean((1, 2)), "max": top.max((1, 2)), "flatten": top.reshape(2, -1)}[pool]
    dense = made.params["dense"]
    np.testing.assert_allclose(made.logits(made.params, images), flat @ dense["kernel"] + dense["bias"], atol=1e-5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--standardize", "training", "--preprocess", "tf"], "--standardize and --preprocess each say"),
        (["--momentum", "0.5"], "--momentum and --no-nesterov are for --optimizer sgd, and it is adamw"),
        (["--model", "squeezenet", "--size", "32", "--head", "flatten"], "squeezenet has no head that --head"),
        (["--head", "flat"], "--head is 'flat'; it must be average, max, flatten or none"),
        (["--dropout", "1"], "--dropout is '1'; it must be"),
    ],
)
def test_what_contradicts_itself_is_refused(words, sentence, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["train", "--data", "phantoms", "--count", "12", "--out", str(out), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_weights_with_another_head_keep_their_backbone(standardized, tmp_path):
    models.save(standardized, tmp_path / "run")
    options = TrainingOptions(data="phantoms", weights=tmp_path / "run", head="flatten", dropout=0.25)
    begun, words = start(options, base(options), open_dataset("phantoms", count=6))
    assert dict(begun.architecture.options) == {"dropout": 0.25, "pool": "flatten", "width": 4}
    assert begun.params["dense"]["kernel"].shape == (24 * 2 * 2, 3)
    np.testing.assert_array_equal(begun.params["top"]["conv"]["kernel"], standardized.params["top"]["conv"]["kernel"])
    assert "a new head" in words
