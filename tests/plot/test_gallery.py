"""Images in rows and columns: what stands where, and what is refused."""

import numpy as np
import pytest

from xaijax import plot
from xaijax.plot._gallery import rebuilt
from xaijax.plot._overlay import to_rgb

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 24, 32, 1), np.uint8)
MAPS = {name: RNG.random((3, 24, 32)) for name in ("random", "integrated_gradients", "grad_cam")}


def shown(figure):
    return [axes.get_images()[0].get_array() for axes in figure.axes]


def test_rows_are_images_and_columns_methods_with_controls_last():
    masks = np.zeros((3, 24, 32), bool)
    masks[1, 5:9, 7:20] = True
    figure = plot.gallery(IMAGES, MAPS, masks=masks, titles=["one", "two", "three"])
    drawn = shown(figure)
    methods = ["integrated_gradients", "grad_cam", "random"]
    for row in range(3):
        expected = [to_rgb(IMAGES[row]), *(plot.overlay(IMAGES[row], MAPS[name][row]) for name in methods)]
        for found, wanted in zip(drawn[4 * row : 4 * row + 4], expected, strict=True):
            np.testing.assert_array_equal(found, plot.outline(wanted, masks[row]))
    texts = [text.get_text() for text in figure.texts]
    assert texts == ["image", "integrated\ngradients", "grad cam", "random", "one", "two", "three"]
    height, width = (axes := figure.axes[0].get_window_extent()).height, axes.width
    assert height / width == pytest.approx(24 / 32)


def test_a_gallery_without_masks_and_titles_takes_float_images():
    figure = plot.gallery(IMAGES / np.float32(255), MAPS)
    np.testing.assert_array_equal(shown(figure)[0], to_rgb(IMAGES[0]))
    assert figure.get_figwidth() < plot.gallery(IMAGES, MAPS, titles=["a", "b", "c"]).get_figwidth()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"titles and images must be equally many; got 1 and 3"):
        plot.gallery(IMAGES, MAPS, titles=["one"])
    with pytest.raises(ValueError, match="grad_cam and images must be equally many; got 2 and 3"):
        plot.gallery(IMAGES, {"grad_cam": MAPS["grad_cam"][:2]})
    with pytest.raises(ValueError, match=r"images must be \[N, H, W, C\]"):
        plot.gallery(IMAGES[0], MAPS)
    with pytest.raises(ValueError, match="at least one method"):
        plot.gallery(IMAGES, {})
    with pytest.raises(ValueError, match="images and texts must be equally many"):
        rebuilt(IMAGES, ["one"])
    with pytest.raises(ValueError, match="rows must have equally many images"):
        plot.image_table([("a", [IMAGES[0].repeat(3, -1)]), ("b", [])])


def test_steps_of_a_rebuilt_image_with_the_mask_on_the_last():
    mask = np.zeros((24, 32), bool)
    mask[4:9, 4:9] = True
    figure = rebuilt(IMAGES, ["blurred", "10 %", "original"], title="grad cam", mask=mask, columns=2)
    drawn = shown(figure)
    np.testing.assert_array_equal(drawn[1], to_rgb(IMAGES[1]))
    np.testing.assert_array_equal(drawn[2], plot.outline(to_rgb(IMAGES[2]), mask))
    assert [text.get_text() for text in figure.texts] == ["grad cam", "blurred", "10 %", "original"]


def test_a_long_table_is_folded():
    tile = [np.zeros((16, 16, 3), np.uint8)]
    short = plot.image_table([("a", tile)] * 12, tile=16)
    long = plot.image_table([("a", tile)] * 13, tile=16)
    assert long.shape[0] < short.shape[0]
    assert long.shape[1] > 2 * short.shape[1]
