"""Maps as detectors: values that follow from the drawing, and another implementation of components and boxes."""

import numpy as np
import pytest
from skimage import measure

from xaijax.metrics.detection import THRESHOLDS, detect


def drawn(*squares, size=20):
    """A map with squares (top, left, side, height of the map there) on zero."""
    heat = np.zeros((size, size))
    for top, left, side, height in squares:
        heat[top : top + side, left : left + side] = height
    return heat


MASK = drawn((2, 2, 4, 1), (12, 12, 4, 1)) > 0


def test_a_perfect_map_finds_all_lesions_and_nothing_else():
    one = detect(MASK.astype(float), MASK)
    assert (one.lesions, one.hit) == (2, True)
    assert one.iou.tolist() == [1.0] * len(THRESHOLDS)
    assert one.found.tolist() == [2] * len(THRESHOLDS)
    assert one.false.tolist() == [0] * len(THRESHOLDS)
    # The largest region (the first of two equal ones) against the box around both lesions, 14 by 14.
    assert one.box_iou.tolist() == pytest.approx([16 / 196] * len(THRESHOLDS))


def test_regions_drop_out_as_the_threshold_rises():
    heat = drawn((2, 2, 4, 0.5), (12, 12, 4, 0.95), (2, 14, 2, 1.0))
    one = detect(heat, MASK, (0.2, 0.6, 0.97))
    assert one.found.tolist() == [2, 1, 0]
    assert one.false.tolist() == [1, 1, 1]
    assert one.iou.tolist() == pytest.approx([32 / 36, 16 / 36, 0])
    assert not one.hit  # the largest pixel lies in neither


def test_a_region_counts_by_its_peak_not_by_its_overlap():
    heat = drawn((2, 2, 10, 0.6), (9, 9, 2, 1.0))  # covers the first lesion, its peak lies outside both
    one = detect(heat, MASK, (0.5,))
    assert (one.found[0], one.false[0]) == (0, 1)


def test_diagonal_pixels_are_one_region():
    heat = np.eye(20)
    assert detect(heat, np.eye(20) > 0, (0.5,)).lesions == 1
    assert detect(heat, MASK, (0.5,)).found.sum() + detect(heat, MASK, (0.5,)).false.sum() == 1


@pytest.mark.parametrize("scale", [1.0, -3.0, 1e-6])
def test_a_shifted_or_scaled_map_is_the_same_map(scale):
    heat = np.random.default_rng(0).random((20, 20))
    one, other = detect(heat, MASK), detect(abs(scale) * heat + scale, MASK)
    for name in ("iou", "box_iou", "found", "false"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name))


def test_a_constant_map_finds_nothing():
    one = detect(np.full((20, 20), 3.0), MASK)
    assert not one.hit
    assert one.iou.sum() == one.found.sum() == one.false.sum() == 0


@pytest.mark.parametrize("seed", range(5))
def test_against_scikit_image(seed):
    rng = np.random.default_rng(seed)
    heat = rng.random((24, 24)) + 2 * (MASK_24 := np.pad(MASK, 2)) * rng.random((24, 24))
    one = detect(heat, MASK_24)
    scaled = (heat - heat.min()) / (heat.max() - heat.min())
    lesions = measure.label(MASK_24, connectivity=2)
    for place, threshold in enumerate(THRESHOLDS):
        regions = measure.regionprops(measure.label(scaled >= threshold, connectivity=2), intensity_image=scaled)
        peaks = []
        for region in regions:
            best = int(np.argmax(np.where(region.image, region.image_intensity, -1)))
            row, column = np.unravel_index(best, region.image.shape)
            peaks.append(lesions[region.bbox[0] + row, region.bbox[1] + column])
        assert one.found[place] == len(set(peaks) - {0})
        assert one.false[place] == peaks.count(0)
        largest = max(regions, key=lambda region: region.area)
        box, truth = np.zeros((24, 24), bool), np.zeros((24, 24), bool)
        box[largest.bbox[0] : largest.bbox[2], largest.bbox[1] : largest.bbox[3]] = True
        top, left, bottom, right = measure.regionprops(MASK_24.astype(int))[0].bbox
        truth[top:bottom, left:right] = True
        if [region.area for region in regions].count(largest.area) == 1:
            assert one.box_iou[place] == pytest.approx((box & truth).sum() / (box | truth).sum())


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"must be \[H, W\] alike; got \(4, 4\) and \(20, 20\)"):
        detect(np.zeros((4, 4)), MASK)
    with pytest.raises(ValueError, match="the mask is empty"):
        detect(np.zeros((4, 4)), np.zeros((4, 4), bool))


def test_a_map_that_is_not_finite_is_refused_and_one_of_any_size_is_not():
    mask = np.array([[True, False], [False, False]])
    for broken in (np.nan, np.inf):
        with pytest.raises(ValueError, match="heat must be finite"):
            detect(np.array([[broken, 1.0], [0.0, 0.0]]), mask)
    for large, small in ((1.7e308, -1.7e308), (5e-324, 0.0)):
        found = detect(np.array([[large, small], [small, small]]), mask)
        assert found.hit
        assert found.iou.tolist() == [1.0] * len(THRESHOLDS)
