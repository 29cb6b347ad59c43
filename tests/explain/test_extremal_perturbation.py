"""Extremal perturbation against loops in NumPy written from the definition, and on a model whose evidence is known."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from xaijax import explain, models
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import METHODS, LogitDifference
from xaijax.explain.perturbation import _extremal_perturbation as extremal
from xaijax.explain.perturbation import _smooth_masks as masks_of

SIZE, SPACING, SIGMA = (10, 13), 3, 6
EDGE = 6
WHOLE = (2 * EDGE + 12 - 2, 2 * EDGE + 15 - 2)  # four and five parameters, the last spacing is cut off


def neighbours(place, parameters):
    """Row and column of the parameters around a pixel of the mask, those outside the grid included."""
    radius = 1 + math.ceil(SIGMA / SPACING)
    cell = [math.floor((at - EDGE) / SPACING) for at in place]
    for i in range(cell[0] - radius, cell[0] + radius + 1):
        for j in range(cell[1] - radius, cell[1] + radius + 1):
            yield i, j, 0 <= i < parameters.shape[0] and 0 <= j < parameters.shape[1]


def mask_by_loop(parameters):
    """`(mask [H', W'], derivative [H', W', h, w])`, pixel by pixel in float64."""
    mask, slope = np.zeros(WHOLE), np.zeros((*WHOLE, *parameters.shape))
    for place in np.ndindex(WHOLE):
        values, weights, where = [], [], []
        for i, j, there in neighbours(place, parameters):
            away = math.hypot(place[0] - EDGE - SPACING * i, place[1] - EDGE - SPACING * j) / SIGMA
            weight = math.exp(-2 * max(away - 0.5, 0) ** 2)
            weights.append(weight)
            values.append(parameters[i, j] * weight if there else 0.0)
            where.append((i, j) if there else None)
        soft = np.exp(20 * np.array(values))
        soft /= soft.sum()
        mask[place] = (soft * values).sum()
        for share, value, weight, at in zip(soft, values, weights, where, strict=True):
            if at is not None:
                slope[place][at] += share * (1 + 20 * (value - mask[place])) * weight
    return mask, slope


PARAMETERS = np.random.default_rng(0).random((2, 4, 5))


def test_the_mask_is_the_soft_maximum_of_discs():
    found = np.asarray(masks_of.smooth_masks(jnp.asarray(PARAMETERS, jnp.float32), SPACING, SIGMA))
    assert found.shape == (2, *WHOLE)
    for mask, parameters in zip(found, PARAMETERS, strict=True):
        np.testing.assert_allclose(mask, mask_by_loop(parameters)[0], atol=2e-6)
    assert masks_of.margin(SPACING, SIGMA) == EDGE


def test_the_size_of_the_mask_with_the_published_numbers():
    grid = masks_of.grid_shape((224, 224), 7)
    shape = jax.eval_shape(lambda p: masks_of.smooth_masks(p, 7, 21), jnp.zeros((1, *grid))).shape
    assert (grid, shape, masks_of.margin(7, 21)) == ((32, 32), (1, 260, 260), 21)


def pyramid_by_scipy(images, max_sigma):
    levels = [max_sigma * (1 - k / 7) for k in range(8)]
    blur = [
        [
            np.stack(
                [ndimage.gaussian_filter(x[..., c], s, mode="constant", truncate=4) for c in range(x.shape[-1])], -1
            )
            for s in levels
        ]
        for x in np.asarray(images, np.float64)
    ]
    return np.array(blur)  # [N, 8, H, W, C]


def blurred_by_loop(pyramid, mask):
    """`(image, derivative by the mask)` of one image."""
    image, slope = np.zeros(pyramid.shape[1:]), np.zeros(pyramid.shape[1:])
    for place in np.ndindex(mask.shape):
        level = 7 * mask[place]
        low = min(int(level), 6)
        slope[place] = 7 * (pyramid[(low + 1, *place)] - pyramid[(low, *place)])
        image[place] = pyramid[(low, *place)] + (level - low) * slope[place] / 7
    return image, slope


IMAGES = np.random.default_rng(1).random((2, *SIZE, 2)).astype(np.float32)


def test_the_pyramid_is_eight_gaussian_blurs():
    found = np.asarray(masks_of.blur_pyramid(jnp.asarray(IMAGES), 5.0))
    expected = pyramid_by_scipy(IMAGES, 5.0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found[:, 7], IMAGES, atol=1e-7)
    mask = np.random.default_rng(2).random(SIZE)
    mask[0, :3] = 0, 1, 0.5
    shown = masks_of.blurred(jnp.asarray(found), jnp.asarray(np.stack([mask, 1 - mask]), jnp.float32))
    np.testing.assert_allclose(shown[0], blurred_by_loop(expected[0], mask)[0], atol=5e-6)
    np.testing.assert_allclose(shown[1], blurred_by_loop(expected[1], 1 - mask)[0], atol=5e-6)


WEIGHTS = np.random.default_rng(3).normal(size=(*SIZE, 2, 3)) * 4


@pytest.fixture(scope="module")
def linear():
    """Three logits that are linear in the image."""
    return Classifier.from_function(
        lambda w, x: jnp.einsum("nhwc,hwck->nk", x, w), jnp.asarray(WEIGHTS, jnp.float32), input_shape=(*SIZE, 2)
    )


def ascent_by_loop(image, label, area, steps, variant="preserve", contrastive=False, flip=True):
    """The parameters after some steps, with derivatives written out."""
    pyramid = pyramid_by_scipy(image[None], 5.0)[0]
    parameters, velocity, penalty = np.ones((4, 5)), None, 300.0
    inside = np.s_[EDGE : EDGE + SIZE[0], EDGE : EDGE + SIZE[1]]
    for step in range(steps):
        whole, slope = mask_by_loop(parameters)
        own = np.zeros_like(parameters)
        for sign, part in {"preserve": [(1, 0)], "delete": [(-1, 1)], "dual": [(1, 0), (-1, 1)]}[variant]:
            shown, by_mask = blurred_by_loop(pyramid, (1 - whole if part else whole)[inside])
            mirrored = WEIGHTS[:, ::-1] if flip and step % 2 == 0 else WEIGHTS  # as if the image were
            weights = mirrored[..., label]
            if contrastive:
                logits = np.einsum("hwc,hwck->k", shown, mirrored)
                weights = weights - mirrored[..., max((k for k in range(3) if k != label), key=lambda k: logits[k])]
            by_pixel = (weights * by_mask).sum(-1) * (-1 if part else 1)
            own += sign * np.einsum("uv,uvij->ij", by_pixel, slope[inside])
        place = np.argsort(np.round(whole.ravel() * 2**16), kind="stable")
        wanted = np.zeros(whole.size)
        wanted[place[int(whole.size * (1 - area)) :]] = 1
        missed = whole - wanted.reshape(whole.shape)
        own -= penalty * np.einsum("uv,uvij->ij", 2 * missed / whole.size, slope)
        velocity = own if velocity is None else 0.9 * velocity + 0.1 * own
        parameters = np.clip(parameters + 0.01 * velocity, 0, 1)
        penalty *= 1.0035
    return mask_by_loop(parameters)[0][inside]


SETTINGS = {"spacing": SPACING, "detail": SIGMA, "max_sigma": 5.0}


@pytest.mark.parametrize(
    ("variant", "options", "loop"),
    [
        ("preserve", {"steps": 1}, {}),
        ("preserve", {"steps": 4}, {}),
        ("delete", {"steps": 3}, {}),
        ("dual", {"steps": 3, "flip": False}, {"flip": False}),
        ("dual", {"steps": 3, "reward": "contrastive"}, {"contrastive": True}),
    ],
)
def test_steps_are_those_of_a_loop(variant, options, loop, linear):
    found = explain.extremal_perturbation(
        linear, IMAGES, [2, 0], areas=0.2, variant=variant, batch_size=2, **options, **SETTINGS
    )
    for mask, image, label in zip(np.asarray(found), IMAGES, (2, 0), strict=True):
        expected = ascent_by_loop(image, label, 0.2, options["steps"], variant, **loop)
        assert expected.std() > 1e-3
        np.testing.assert_allclose(mask, expected, atol=2e-5)


def test_several_areas_are_added_and_blurred(linear):
    options = SETTINGS | {"steps": 3}
    each = [explain.extremal_perturbation(linear, IMAGES, 1, areas=a, **options) for a in (0.1, 0.3)]
    found = explain.extremal_perturbation(linear, IMAGES, 1, areas=(0.1, 0.3), smooth=0, batch_size=3, **options)
    np.testing.assert_allclose(found, each[0] + each[1], atol=1e-5)
    smooth = explain.extremal_perturbation(linear, IMAGES, 1, areas=(0.1, 0.3), **options)
    expected = [ndimage.gaussian_filter(x, 0.09 * SIZE[0], mode="constant") for x in np.asarray(found, np.float64)]
    np.testing.assert_allclose(smooth, expected, atol=1e-5)
    one = explain.extremal_perturbation(linear, IMAGES, 1, areas=(0.1,), **options)
    np.testing.assert_allclose(one, each[0], atol=1e-6)


def test_equal_values_are_kept_from_the_last_pixel_on():
    masks = jnp.asarray([[[0.5, 0.5 + 1e-7], [0.5, 0.2]]])
    assert extremal.wanted_mask(masks, jnp.array([2]))[0].tolist() == [[0, 1], [1, 0]]


SQUARE = np.s_[8:16, 20:28]


@pytest.fixture(scope="module")
def square():
    """Logit 0 is the brightness inside a square, logit 1 that of the rest, weakly; the image is bright there."""
    inside = np.zeros((32, 40), bool)
    inside[SQUARE] = True

    def logits(w, x):
        there = jnp.where(inside, x[..., 0], 0).sum((1, 2))
        return jnp.stack([there, 0.2 * (x.sum((1, 2, 3)) - there)], 1) * w

    model = Classifier.from_function(logits, jnp.float32(2.0), input_shape=(32, 40, 1))
    noise = 0.3 * np.random.default_rng(0).random((32, 40))
    return model, np.clip(noise + 0.7 * inside, 0, 1)[None, ..., None].astype(np.float32), inside


@pytest.mark.parametrize(("variant", "reward"), [("preserve", "score"), ("delete", "score"), ("dual", "contrastive")])
def test_the_map_finds_the_square(variant, reward, square):
    model, image, inside = square
    options = {"flip": False, "areas": 0.03, "variant": variant, "reward": reward}
    found = np.asarray(explain.extremal_perturbation(model, image, 0, **options))[0]
    assert found.max() > 0.9
    assert found[inside].mean() > 0.5
    assert found[inside].mean() > 15 * found[~inside].mean()


def test_the_numbers_follow_from_the_size_of_the_image(square):
    model, image, _ = square
    found = explain.extremal_perturbation(model, image, 0, steps=5)
    same = explain.extremal_perturbation(model, image, 0, steps=5, spacing=1, detail=3, max_sigma=20 * 32 / 224)
    np.testing.assert_allclose(found, same, atol=1e-6)


def test_the_reward_against_the_best_other_class(linear):
    options = SETTINGS | {"steps": 3}
    reward = explain.extremal_perturbation(linear, IMAGES, 1, reward="contrastive", **options)
    same = explain.extremal_perturbation(linear, IMAGES, 1, target=LogitDifference(), **options)
    np.testing.assert_allclose(reward, same, atol=1e-6)
    with pytest.raises(InputError, match="reward contrastive compares logits, so target must be logit"):
        explain.extremal_perturbation(linear, IMAGES, 1, reward="contrastive", target="probability")


def test_black_boxes_are_refused_with_the_methods_that_take_them(linear):
    weights = np.asarray(linear.params)
    box = models.from_predict(
        lambda x: np.einsum("nhwc,hwck->nk", x, weights), input_shape=(*SIZE, 2), classes=["a", "b", "c"], logits=True
    )
    reason = METHODS["extremal_perturbation"].refusal(box)
    assert "predictions alone: use occlusion, rise, lime, kernel_shap, sobol or hsic" in reason
    assert METHODS["extremal_perturbation"].refusal(linear) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detail": 28, "spacing": 3}, "detail must be at most 9 spacings of 3 pixels; got 28"),
        ({"areas": ()}, "areas must hold at least one share"),
        ({"areas": (0.1, 1.0)}, r"extremal_perturbation\.areas is \(0\.1, 1\.0\)"),
    ],
)
def test_values_that_do_not_fit_are_one_sentence(options, words, linear):
    with pytest.raises(InputError, match=words) as caught:
        explain.extremal_perturbation(linear, IMAGES, 0, **options)
    assert "\n" not in str(caught.value)
