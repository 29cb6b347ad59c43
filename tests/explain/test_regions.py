"""XRAI's segments and ranking against the definition, written plainly, and scikit-image."""

import numpy as np
import pytest
from skimage.morphology import dilation, disk

from xaijax import explain
from xaijax.explain.regions._segments import dilate, segment_masks
from xaijax.kernels import rank_regions

RNG = np.random.default_rng(0)


def plain_full(values, masks, least):
    """The greedy rule as it is defined: fresh means of the new pixels at every step, ties to the first."""
    covered = np.zeros(values.shape, bool)
    regions, left = [], list(masks)
    while True:
        left = [mask for mask in left if (mask & ~covered).sum() >= least]
        if not left:
            break
        gains = [values[mask & ~covered].mean() for mask in left]
        best = int(np.argmax(gains))
        regions.append((left[best] & ~covered, gains[best]))
        covered |= left.pop(best)
    return regions, covered


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("integer", [False, True])
def test_full_ranking_is_the_definition(seed, integer):
    rng = np.random.default_rng(seed)
    values = rng.integers(-2, 3, (20, 17)).astype(float) if integer else rng.normal(size=(20, 17))
    tops, lefts = rng.integers(0, 14, (2, 30))
    masks = np.zeros((30, 20, 17), bool)
    for mask, top, left in zip(masks, tops, lefts, strict=True):
        mask[top : top + rng.integers(2, 9), left : left + rng.integers(2, 9)] = True
    masks[7] = masks[3]  # a tie, which goes to the first
    regions, covered = plain_full(values, masks, 5)
    found, ranks = rank_regions(values, masks, min_pixels=5)
    for pixels, gain in regions:
        np.testing.assert_allclose(found[pixels], gain, rtol=1e-12, atol=1e-15)
        assert len(np.unique(ranks[pixels])) == 1
    by_rank = [found[ranks == rank].mean() for rank in range(1, len(regions) + 1)]
    assert (np.diff(by_rank) <= 1e-12).all()
    if (~covered).any():
        np.testing.assert_allclose(found[~covered], values[~covered].mean())
        assert (ranks[~covered] == len(regions) + 1).all()


def test_planted_region_wins():
    values = np.zeros((12, 12))
    values[2:5, 3:7] = 1
    masks = np.stack([np.ones((12, 12), bool), values > 0, RNG.random((12, 12)) < 0.5])
    for algorithm in ("full", "fast"):
        found, ranks = rank_regions(values, masks, fast=algorithm == "fast", min_pixels=1)
        assert (found[values > 0] == 1).all()
        assert (ranks[values > 0] == 1).all()


def test_no_mask_is_large_enough():
    values = RNG.normal(size=(5, 6))
    found, ranks = rank_regions(values, RNG.random((4, 5, 6)) < 0.1, min_pixels=50)
    np.testing.assert_allclose(found, values.mean())
    assert (ranks == 1).all()


@pytest.mark.parametrize("radius", [0, 1, 3, 5])
def test_dilation_is_that_of_a_disk(radius):
    for share in (0.01, 0.3):
        mask = RNG.random((30, 41)) < share
        assert np.array_equal(dilate(mask, radius), dilation(mask, disk(radius)))
    assert not dilate(np.zeros((5, 5), bool), radius).any()


def test_segments_cover_the_image_at_every_scale():
    image = np.kron(RNG.random((3, 4, 3)), np.ones((14, 12, 1)))
    plain = segment_masks(image, 0)
    assert (plain.sum(0) == 6).all()  # a partition per scale
    assert (segment_masks(image, 3) >= plain).all()
    assert segment_masks(np.full((20, 20, 3), 0.5)).all()  # a flat image is one segment at each scale


def test_given_attribution_and_segments(model, images):
    segments = np.zeros((2, 16, 16), bool)
    segments[0, :8], segments[1, 8:] = True, True
    attribution = RNG.normal(size=(3, 16, 16))
    got = explain.xrai(model, images, attribution=attribution, segments=[segments] * 3)
    np.testing.assert_allclose(got[:, 0, 0], attribution[:, :8].mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(got[:, 15, 0], attribution[:, 8:].mean((1, 2)), rtol=1e-5)
    with pytest.raises(ValueError, match=r"attribution must be \[B, H, W\]"):
        explain.xrai(model, images, attribution=attribution[:2])
    with pytest.raises(ValueError, match="segments must be one"):
        explain.xrai(model, images, attribution=attribution, segments=[segments])
    attribution[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="attribution must be finite"):
        explain.xrai(model, images, attribution=attribution)
