"""Random masks: the documented generator in Python's integers is the oracle."""

import numpy as np
import pytest
import scipy.stats

from xaijax import kernels


class TestEveryImplementation:
    @pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**63, 2**64 - 1])
    @pytest.mark.parametrize(("shape", "fraction"), [((1, 1), 1.0), ((7, 9), 0.5), ((16, 16), 0.01), ((5, 5), 1.0)])
    def test_equals_the_documented_algorithm(self, implementation, reference, shape, fraction, seed):
        mask = implementation("random_mask")(shape, fraction, np.array(seed, np.uint64))
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, reference.random_mask(shape, fraction, seed))

    @pytest.mark.parametrize("fraction", [0.0, 0.01, 0.1, 0.29, 0.999, 1.0])
    def test_exact_count(self, implementation, fraction):
        mask = implementation("random_mask")((20, 25), fraction, 3)
        assert mask.sum() == np.floor(fraction * 500)


def test_first_draws_are_those_of_splitmix64(reference):
    """The published first outputs of SplitMix64 for seed 1234567 decide the first places of the shuffle."""
    outputs = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    chosen = list(range(2**16))
    for i, output in enumerate(outputs):
        j = i + (output >> 48)
        assert j < 2**16
        chosen[i], chosen[j] = chosen[j], chosen[i]
    mask = kernels.random_mask((256, 256), 3 / 2**16, 1234567)
    assert sorted(np.flatnonzero(mask)) == sorted(chosen[:3])


def test_every_pixel_and_every_pair_equally_often():
    draws = np.array([kernels.random_mask((3, 4), 0.25, seed).ravel() for seed in range(12000)])
    singles = draws.sum(axis=0)
    assert scipy.stats.chisquare(singles).pvalue > 1e-4
    sets = np.unique(draws @ (1 << np.arange(12)), return_counts=True)[1]
    assert len(sets) == 220  # all the ways to choose 3 of 12
    assert scipy.stats.chisquare(sets).pvalue > 1e-4


@pytest.mark.parametrize(
    ("shape", "fraction", "seed", "error", "says"),
    [
        ((4,), 0.5, 0, ValueError, r"shape must be \(H, W\)"),
        ((0, 4), 0.5, 0, ValueError, "at least 1"),
        ((2**16, 2**16), 0.5, 0, ValueError, r"fewer than 2\*\*32"),
        ((4, 4), 1.5, 0, ValueError, r"fraction must be a number in \[0, 1\]; got 1.5"),
        ((4, 4), float("nan"), 0, ValueError, "fraction must be a number"),
        ((4, 4), 0.5, -1, ValueError, "seed must lie in"),
        ((4, 4), 0.5, 2**64, ValueError, "seed must lie in"),
        ((4, 4), 0.5, 1.0, TypeError, r"seed must be an integer in \[0, 2\*\*64\); got 1.0"),
        ((4, 4), 0.5, True, TypeError, r"seed must be an integer in \[0, 2\*\*64\); got True"),
    ],
)
def test_bad_input(shape, fraction, seed, error, says):
    with pytest.raises(error, match=says):
        kernels.random_mask(shape, fraction, seed)
