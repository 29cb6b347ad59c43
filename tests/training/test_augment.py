"""Augmentation: what each amount does, in closed form."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from xaijax.training import Augmentation


def test_no_augmentation_amounts_leave_the_image():
    images = jnp.asarray(np.random.default_rng(0).random((3, 9, 12, 2)), jnp.float32)
    nothing = Augmentation("none", 0.0, 0.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(nothing(images, jax.random.key(0)), images, atol=1e-6)


def test_flips_mirror_half_of_the_images():
    images = jnp.asarray(np.random.default_rng(0).random((64, 6, 8, 1)), jnp.float32)
    for flip, mirrors in (("horizontal", {(1, 1), (1, -1)}), ("both", {(1, 1), (1, -1), (-1, 1), (-1, -1)})):
        changed = np.asarray(Augmentation(flip, 0.0, 0.0, 0.0, 0.0, 0.0)(images, jax.random.key(1)))
        seen = [
            next(
                (y, x)
                for y, x in itertools.product((1, -1), (1, -1))
                if np.allclose(image[::y, ::x], result, atol=1e-5)
            )
            for image, result in zip(np.asarray(images), changed, strict=True)
        ]
        assert set(seen) == mirrors
        assert max(seen.count(m) for m in mirrors) < 64 * 1.6 / len(mirrors)


def test_shift_rotation_and_zoom_move_a_ramp_as_they_say():
    """A linear ramp is reproduced exactly by bilinear sampling, so its slopes tell the affine map."""
    rows, columns = np.mgrid[0:41, 0:41].astype(np.float32)
    images = jnp.asarray(np.stack([rows, columns], -1)[None] / 80 + 0.2)
    images = jnp.repeat(images, 200, 0)
    moved = Augmentation("none", 0.1, 20.0, 0.2, 0.0, 0.0)(images, jax.random.key(3))
    middle = (np.asarray(moved)[:, 10:31, 10:31] - 0.2) * 80
    down = np.diff(middle, axis=1).mean((1, 2))
    scale, angle = np.hypot(down[:, 0], down[:, 1]), np.degrees(np.arctan2(down[:, 1], down[:, 0]))
    centre = middle[:, 10, 10] - 20
    for values, bound in ((scale - 1, 0.2), (angle, 20.0), (centre[:, 0], 4.1), (centre[:, 1], 4.1)):
        assert 0.85 * bound < np.abs(values).max() <= bound * 1.001
        assert abs(values.mean()) < 0.25 * bound


def test_brightness_and_contrast_stay_in_range():
    images = jnp.asarray(np.random.default_rng(0).random((16, 8, 8, 1)), jnp.float32)
    changed = Augmentation("none", 0.0, 0.0, 0.0, 0.5, 0.5)(images, jax.random.key(0))
    assert float(changed.min()) == 0
    assert float(changed.max()) == 1
    again = Augmentation("none", 0.0, 0.0, 0.0, 0.5, 0.5)(images, jax.random.key(0))
    np.testing.assert_array_equal(changed, again)
