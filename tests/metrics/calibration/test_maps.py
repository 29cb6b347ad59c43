"""The maps: textures orthogonal to the truth, mixtures of known correlation, twins of the same values."""

import numpy as np
import pytest

from xaijax.metrics.calibration.ladder import map_names, maps_of, twins
from xaijax.metrics.calibration.textures import FIXED, TEXTURES, mixture, orthogonal
from xaijax.metrics.calibration.twins import roll, shift

SHAPE = (48, 40)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
TRUTH = np.zeros(SHAPE)
TRUTH[10:22, 5:25] = 1
TRUTH[30:40, 5:25] = 0.5
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


def ladder(seed=(0, 1), textures=tuple(TEXTURES), levels=LEVELS):
    return dict(maps_of(TRUTH, IMAGE, textures, levels, seed))


@pytest.mark.parametrize("name", TEXTURES)
def test_textures_are_orthogonal_to_the_truth(name):
    texture = orthogonal(TEXTURES[name](IMAGE, np.random.default_rng(1)), TRUTH)
    centred = TRUTH - TRUTH.mean()
    assert abs((texture * centred).sum()) < 1e-8 * TRUTH.size
    assert abs(texture.mean()) < 1e-12
    assert abs(texture.std() - 1) < 1e-12


def test_all_maps_of_a_level_have_the_same_correlation_with_the_truth():
    made = ladder()
    for name, one in made.items():
        assert one.dtype == np.float64
        assert (one.min(), one.max()) == (0, 1)
        if name == "truth" or ":" in name:
            continue
        a = float(name.rpartition("|")[2])
        expected = (1 - a) / np.hypot(1 - a, a)
        assert abs(np.corrcoef(one.ravel(), TRUTH.ravel())[0, 1] - expected) < 1e-5, name
    assert np.corrcoef(made["truth"].ravel(), TRUTH.ravel())[0, 1] > 1 - 1e-9


def test_no_two_pixels_are_tied():
    for name, one in ladder().items():
        assert len(np.unique(one)) == one.size, name


def test_the_noise_that_breaks_ties_is_1e6_of_the_spread():
    made = mixture(TRUTH, None, 0.0, np.random.default_rng(0))
    assert 0.5e-6 < made[TRUTH == 1].std() / made.std() < 1.5e-6
    assert made[TRUTH == 1].min() > made[TRUTH == 0.5].max()


def test_a_twin_has_the_same_values_elsewhere():
    made = ladder()
    assert [name for name in made if name.startswith("roll:")] == ["roll:" + name for name in twins(TEXTURES, LEVELS)]
    shifts = set()
    for name in twins(TEXTURES, LEVELS):
        plain, turned = made[name], made["roll:" + name]
        np.testing.assert_array_equal(np.sort(plain, axis=None), np.sort(turned, axis=None))
        peak = np.subtract(*(np.unravel_index(one.argmax(), SHAPE) for one in (turned, plain))) % SHAPE
        shifts.add(tuple(int(step) for step in peak))
        np.testing.assert_array_equal(turned, np.roll(plain, peak, axis=(0, 1)))
    assert len(shifts) == 1


def test_shifts_are_at_least_a_quarter_either_way_round():
    for shape in ((48, 40), (7, 9), (4, 4)):
        for seed in range(200):
            for side, by in zip(shape, shift(shape, np.random.default_rng(seed)), strict=True):
                assert min(by, side - by) >= side / 4
    assert (roll(IMAGE[..., 0], (3, 5))[3:, 5:] == IMAGE[:-3, :-5, 0]).all()


def test_second_textures_are_of_the_same_kind_and_not_the_same():
    made = ladder()
    for name in TEXTURES:
        second = made.get(f"null:{name}|2")
        assert (second is None) == (name in FIXED)
        if second is not None:
            assert (
                abs(np.corrcoef(second.ravel(), made[f"{name}|1"].ravel())[0, 1]) < 0.99
            )  # little room for noise of 16 pixels
            assert abs(np.corrcoef(second.ravel(), TRUTH.ravel())[0, 1]) < 1e-5


def test_maps_follow_from_the_seed_and_from_the_names_of_the_textures():
    made, again, other = ladder(), ladder(), ladder(seed=(0, 2))
    assert list(made) == map_names(list(TEXTURES), LEVELS)
    for name in made:
        np.testing.assert_array_equal(made[name], again[name])
    assert not np.array_equal(made["white|1"], other["white|1"])
    few = ladder(textures=("dots", "white"), levels=(0.0, 0.5, 1.0))
    np.testing.assert_array_equal(few["dots|1"], made["dots|1"])


def test_a_texture_that_is_not_there_gives_no_map():
    flat = np.full((*SHAPE, 1), 7, np.uint8)
    made = dict(maps_of(TRUTH, flat, ("edges", "white"), (0.0, 0.5, 1.0), (0, 0)))
    assert made["edges|1"] is None
    assert made["roll:edges|0.5"] is None
    assert made["truth"] is not None
    assert made["white|1"] is not None
    assert np.isnan(orthogonal(TRUTH * 3 + 1, TRUTH)).all()
