"""A map with its error: what each of the three images shows."""

import numpy as np
import pytest

from xaijax import plot
from xaijax.plot import _certain
from xaijax.plot._style import PALETTE

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (12, 16, 1), np.uint8)
RAW = RNG.normal(size=(12, 16))
ERROR = RNG.random((12, 16)) + 0.1
SURE = np.abs(RAW) > ERROR


def test_evidence_error_and_signs():
    figure = plot.uncertainty(IMAGE, np.abs(RAW), RAW, ERROR, SURE, title="rise, 60 draws")
    evidence, error, signs = (axes.get_images()[0].get_array() for axes in figure.axes)
    np.testing.assert_array_equal(evidence, plot.overlay(IMAGE, np.abs(RAW)))
    np.testing.assert_array_equal(error, plot.overlay(IMAGE, ERROR, colormap="viridis"))
    np.testing.assert_array_equal(signs[~SURE], np.repeat(IMAGE, 3, axis=2)[~SURE])  # uncertain pixels stay grey
    for sign, colour in ((1, PALETTE[0]), (-1, PALETTE[1])):
        rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
        where = SURE & (np.sign(RAW) == sign)
        assert where.any()
        grey = np.repeat(IMAGE, 3, axis=2)[where].astype(float)
        np.testing.assert_allclose(signs[where], (1 - _certain.PAINT) * grey + _certain.PAINT * rgb, atol=1)
    texts = [text.get_text() for text in figure.texts]
    assert f"{SURE.mean():.0%} of the pixels" in texts[2]
    assert texts[2].endswith("blue for, orange against")
    assert texts[3] == "rise, 60 draws"
    other = plot.uncertainty(IMAGE, np.abs(RAW), RAW, ERROR, SURE, sides=("above", "below"))
    assert other.texts[2].get_text().endswith("blue above, orange below")


def test_arrays_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"error is \(3, 3\) but the image is \(12, 16\)"):
        plot.uncertainty(IMAGE, RAW, RAW, np.ones((3, 3)), SURE)
