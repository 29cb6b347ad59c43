"""F-Fidelity on a model that is linear in the pixels, where every expectation is known."""

import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.metrics import evaluate

SIZE = (6, 8)
N = 48
NAMES = ["f_fidelity_plus", "f_fidelity_minus"]
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(*SIZE, 2)) / 100
IMAGES = RNG.random((2, *SIZE, 2)).astype(np.float32)
MAPS = RNG.normal(size=(2, *SIZE))


class Linear:
    classes = ("a", "b")

    def predict(self, images):
        p = 0.5 + (np.asarray(images, np.float64) * WEIGHTS).sum(axis=(1, 2, 3))
        return np.stack([1 - p, p], axis=1)


def run(metrics=NAMES, maps=MAPS, **settings):
    scores = evaluate(Linear(), IMAGES, [1, 1], {"m": maps}, metrics=metrics, settings={"f_fidelity": settings})
    return {name: scores.select(metric=name).value for name in metrics}


def parts(i):
    """What each pixel adds to the probability, the most important pixel of the map first."""
    return (IMAGES[i] * WEIGHTS).sum(axis=-1).ravel()[np.argsort(-MAPS[i].ravel())]


def test_with_certain_removal_it_is_a_sum():
    found = run(shares=(0.25, 0.5), draws=1, alpha=1.0, beta=1.0)
    for i in range(2):
        own = parts(i)
        assert found[NAMES[0]][i] == pytest.approx(np.mean([own[:12].sum(), own[:24].sum()]), rel=1e-4)
        assert found[NAMES[1]][i] == pytest.approx(np.mean([own[12:].sum(), own[24:].sum()]), rel=1e-4)


@pytest.mark.parametrize(
    ("share", "chances"), [(0.125, (0.5, 0.1 / 0.875)), (0.5, (0.2, 0.2)), (0.75, (0.1 / 0.75, 0.4))]
)
def test_chances_are_those_of_the_paper(share, chances):
    """The mean over many draws is the chance times the sum; α caps the one, β N / |S| sets the other."""
    found = run(shares=(share,), draws=20000)
    top = round(share * N)
    for i in range(2):
        for name, own, chance in zip(NAMES, (parts(i)[:top], parts(i)[top:]), chances, strict=True):
            error = np.sqrt(chance * (1 - chance) * (own**2).sum() / 20000)
            assert abs(found[name][i] - chance * own.sum()) < 5 * error


def test_all_methods_share_the_draws_and_constant_maps_have_no_value():
    first = run(maps=MAPS, draws=5)
    again = run(maps=3 * MAPS + 1, draws=5)
    for name in NAMES:
        np.testing.assert_array_equal(first[name], again[name])
    scores = evaluate(Linear(), IMAGES, [1, 1], {"m": np.ones((2, *SIZE))}, metrics=NAMES)
    assert set(scores.reason) == {"flat_map"}


def test_the_truth_beats_its_opposite():
    def good(labels):
        return (IMAGES * WEIGHTS).sum(axis=-1)

    right, wrong = run(maps=good(1)), run(maps=-good(1))
    assert (right[NAMES[0]] > wrong[NAMES[0]]).all()
    assert (right[NAMES[1]] < wrong[NAMES[1]]).all()


def test_shares_must_ascend():
    with pytest.raises(InputError, match=r"f_fidelity.shares is \(0.5, 0.25\)"):
        run(shares=(0.5, 0.25))
