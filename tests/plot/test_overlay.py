import numpy as np
import pytest

from xaijax.plot import outline, overlay
from xaijax.plot._overlay import display_scale, to_rgb


def test_where_there_is_no_evidence_the_image_shows():
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 1), np.uint8)
    heat = np.zeros((9, 7))
    heat[4, 3] = 1
    picture = overlay(image, heat)
    unmarked = heat == 0
    assert (picture[unmarked] == np.broadcast_to(image, (9, 7, 3))[unmarked]).all()
    assert (picture[4, 3] != image[4, 3]).any()


def test_the_scale_of_a_map_does_not_matter_and_one_outlier_hides_nothing():
    heat = np.random.default_rng(1).random((40, 40))
    assert np.allclose(display_scale(heat), display_scale(1e-9 * heat))
    spiked = heat.copy()
    spiked[0, 0] = 1e6
    assert display_scale(spiked)[1:].max() > 0.9


@pytest.mark.parametrize("heat", [np.zeros((4, 4)), -np.ones((4, 4)), np.full((4, 4), np.nan)])
def test_maps_without_positive_evidence_leave_the_image(heat):
    image = np.full((4, 4, 3), 100, np.uint8)
    assert (overlay(image, heat) == image).all()


def test_outlines_stay_outside_the_mask():
    mask = np.zeros((8, 8), bool)
    mask[2:5, 2:6] = True
    picture = np.zeros((8, 8, 3), np.uint8)
    drawn = (outline(picture, mask) != 0).any(-1)
    ring = np.zeros((8, 8), bool)
    ring[1:6, 1:7] = True
    assert (drawn == (ring & ~mask)).all()
    assert (picture == 0).all()
    assert (outline(picture, np.zeros((8, 8), bool)) == picture).all()


def test_images_of_every_kind_become_rgb():
    assert to_rgb(np.array([[0.0, 1.0]])).tolist() == [[[0, 0, 0], [255, 255, 255]]]
    grey = np.array([[[7]]], np.uint8)
    assert to_rgb(grey).tolist() == [[[7, 7, 7]]]
    with pytest.raises(ValueError, match="image must be"):
        to_rgb(np.zeros((2, 2, 4)))
    with pytest.raises(ValueError, match="resize one of them"):
        overlay(np.zeros((4, 4, 1)), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="opacity"):
        overlay(np.zeros((4, 4, 1)), np.zeros((4, 4)), opacity=2)


def test_what_every_pixel_has_is_not_shown():
    heat = np.random.default_rng(2).random((30, 30))
    heat[0, 0] = 0
    assert np.allclose(display_scale(heat + 5), display_scale(heat))
    assert (display_scale(np.full((4, 4), 3.0)) == 0).all()
