"""The registry and the small CNN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import models


def test_parameters_fit_into_two_megabytes():
    model = models.create("small_cnn", 3)
    assert sum(leaf.size * 4 for leaf in jax.tree.leaves(model.params)) < 2_000_000
    assert model.input_shape == (128, 128, 1)


@pytest.mark.parametrize("shape", [(128, 128, 1), (50, 37, 3), (16, 16, 1)])
def test_any_size_and_grey_or_rgb(shape):
    model = models.create("small_cnn", classes=["a", "b"], input_shape=shape)
    assert model.predict(np.zeros((2, *shape), np.uint8)).shape == (2, 2)
    rows, columns, channels = model.layers()[model.default_layer]
    assert (rows, columns, channels) == (-(-shape[0] // 2) // 4, -(-shape[1] // 2) // 4, 96)


def test_head_is_the_dense_kernel_so_that_cam_applies():
    model = models.create("small_cnn", 3, (32, 32, 1))
    np.testing.assert_allclose(model.head(model.params), model.params["dense"]["kernel"], rtol=1e-5, atol=1e-7)


def test_the_receptive_field_is_as_documented():
    """Differentiate one position of the last layer, with weights of one sign so that nothing cancels."""
    model = models.create("small_cnn", 3, (128, 128, 1))
    params = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.01, model.params)

    def centre(images):
        return model.tapped(params, images, {"top": None})[1]["top"][0, 8, 8].sum()

    # A random image, so that every pixel that can win a pooling does so somewhere along the way.
    reached = np.zeros((128, 128), bool)
    for seed in range(3):
        images = jax.random.uniform(jax.random.key(seed), (1, 128, 128, 1))
        reached |= np.asarray(jax.grad(centre)(images)[0, :, :, 0] != 0)
    rows = np.flatnonzero(reached.any(axis=1))
    assert 51 <= rows[-1] - rows[0] + 1 <= 59


def test_the_same_key_gives_the_same_weights_and_another_key_others():
    kernels = [models.create("small_cnn", 3, key=key).params["dense"]["kernel"] for key in (0, jax.random.key(0), 1)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0.01


def test_two_created_models_are_one_compilation():
    first, second = models.create("small_cnn", 3, key=0), models.create("small_cnn", 3, key=1)
    assert jax.tree.structure(first) == jax.tree.structure(second)
    assert first.network is second.network


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "smal_cnn", "num_classes": 3}, "unknown model 'smal_cnn': did you mean small_cnn"),
        ({"name": "qqq", "num_classes": 3}, "choose from .*small_cnn"),
        ({"name": "small_cnn"}, "give num_classes or classes"),
        ({"name": "small_cnn", "num_classes": 1}, "num_classes must be 2 or more for a softmax; got 1"),
        ({"name": "small_cnn", "num_classes": 3, "input_shape": (8, 8, 1)}, r"16 pixels a side .* got \[8, 8, 1\]"),
        ({"name": "small_cnn", "num_classes": 3, "input_shape": (64, 64, 2)}, "with 1 or 3 channels"),
        ({"name": "small_cnn", "num_classes": 3, "input_shape": (64, 64)}, r"input_shape must be \(H, W, C\)"),
        (
            {"name": "small_cnn", "num_classes": 3, "depth": 9},
            "small_cnn has no option depth; it has dropout, pool, width",
        ),
        ({"name": "small_cnn", "classes": ["a", "a"]}, "2 different names"),
    ],
)
def test_bad_requests_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.create(**arguments)
