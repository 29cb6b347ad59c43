"""Test-time augmentation: maps of models that are linear, or blind to flips, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier

RNG = np.random.default_rng(0)
WEIGHTS = (0.1 * RNG.normal(size=(5, 5, 2, 3))).astype(np.float32)
IMAGES = RNG.random((2, 5, 5, 2)).astype(np.float32)
LABELS = np.array([2, 0])


def bent(w, x):
    return jnp.tanh(jnp.einsum("bhwc,hwck->bk", x**2, w))


MODEL = Classifier.from_function(bent, jnp.asarray(WEIGHTS), input_shape=(5, 5, 2))
MOVES = {
    "mirror": [(lambda a: a, lambda a: a), (np.fliplr, np.fliplr)],
    "flips": [(lambda a: a, lambda a: a), (np.fliplr, np.fliplr), (np.flipud, np.flipud)],
}
MOVES["flips"].append((lambda a: np.flipud(np.fliplr(a)), lambda a: np.flipud(np.fliplr(a))))
MOVES["dihedral"] = [
    (lambda a, k=k, f=f: np.rot90(f(a), k), lambda a, k=k, f=f: f(np.rot90(a, -k)))
    for k in range(4)
    for f in (lambda a: a, np.fliplr)
]


@pytest.mark.parametrize("moves", MOVES)
def test_the_mean_over_moves_of_the_image(moves):
    """`y = tanh Σ w x²`: the gradient `(1 - y²) 2 w x` of every moved image, by hand, moved back."""
    got = explain.tta(MODEL, IMAGES, LABELS, base="gradient", moves=moves, options={"reduce": "sum"})
    for x, label, found in zip(IMAGES.astype(np.float64), LABELS, got, strict=True):
        w, expected = WEIGHTS[..., label].astype(np.float64), 0
        for move, back in MOVES[moves]:
            moved = move(x)
            y = np.tanh((w * moved**2).sum())
            expected = expected + back(((1 - y**2) * 2 * w * moved).sum(-1)) / len(MOVES[moves])
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_a_network_that_moves_with_the_image_keeps_its_map(images):
    """One pixel wide kernels: the map of the moved image is the moved map."""
    model = Classifier.from_functions(
        lambda w, x: jax.nn.relu(x @ w),
        lambda w, a: a.mean((1, 2))[:, :3],
        jnp.asarray(RNG.normal(size=(3, 6)), jnp.float32),
        input_shape=(16, 16, 3),
    )
    for moves in ("mirror", "flips", "dihedral"):
        np.testing.assert_allclose(
            explain.tta(model, images, [0, 2, 1], moves=moves), explain.grad_cam(model, images, [0, 2, 1]), atol=1e-5
        )


def test_the_label_is_that_of_the_image_as_it_is():
    predicted = MODEL.predict(IMAGES).argmax(1)
    given = explain.tta(MODEL, IMAGES, predicted, base="gradient")
    np.testing.assert_array_equal(explain.tta(MODEL, IMAGES, base="gradient"), given)


def test_random_methods_are_the_base_too():
    got = explain.tta(MODEL, IMAGES, LABELS, base="Smoothgrad", options={"draws": 3, "key": jax.random.key(2)})
    again = explain.tta(
        MODEL, IMAGES[:1], LABELS[:1], base="smoothgrad", options={"draws": 3, "key": jax.random.key(2)}
    )
    np.testing.assert_allclose(again, got[:1], rtol=1e-4)


def test_refusals():
    wide = Classifier.from_function(bent, jnp.asarray(WEIGHTS[:4]), input_shape=(4, 5, 2))
    with pytest.raises(InputError, match=r"^quarter turns need square images; these are 4 x 5: use moves='flips'"):
        explain.tta(wide, IMAGES[:, :4], LABELS, base="gradient", moves="dihedral")
    for name in ("xrai", "tta", "cascade", "ground_truth", "nothing"):
        with pytest.raises(InputError, match="base"):
            explain.tta(MODEL, IMAGES, LABELS, base=name)
