"""What a study reads from the tables of its cells, and which sentences it makes of them."""

import math

import pytest

from xaijax.metrics import REASONS
from xaijax.study.plan import Cell
from xaijax.study.results import Score, _against_random, answers, of_cascade, without_value


@pytest.fixture
def cascade(tmp_path):
    """A cell of a cascade whose Grad-CAM is empty on one of three images."""
    lines = ["image,method,metric,value,reason"]
    for number, value in enumerate((0.2, 0.4, 0.6)):
        lines.append(f"{number}.png,cascade K=2,artefact_mass,{value},")
        empty = number == 1
        lines.append(
            f"{number}.png,grad_cam,artefact_mass,{'nan' if empty else value},{'not_positive' if empty else ''}"
        )
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    return Cell("cascade", "pets", "pets", ("small_cnn",), tmp_path, "pets")


def test_a_cascade_is_read_with_its_spread_and_empty_maps_are_said(cascade):
    found = of_cascade(cascade)
    score = found["small_cnn", "cascade K=2", "artefact_mass"]
    assert (score.mean, score.n) == (pytest.approx(0.4), 3)
    assert score.sd == pytest.approx(0.2)
    assert found["small_cnn", "grad_cam", "artefact_mass"].n == 2
    assert without_value(cascade) == [f"grad_cam has no value on 1 of 3 images ({REASONS['not_positive']})."]


def test_a_method_is_ahead_of_the_random_map_in_the_direction_of_the_metric():
    rows = [
        {
            "compared": "methods",
            "model": "m",
            "metric": metric,
            "first": first,
            "second": second,
            "low": low,
            "high": high,
        }
        for metric, first, second, low, high in (
            ("road", "cam", "random", "-0.3", "-0.1"),  # lower is better
            ("road", "random", "gradient", "-0.3", "-0.1"),  # random is lower: gradient is behind
            ("insertion_blur", "cam", "random", "-0.1", "0.2"),
            ("insertion_blur", "cam", "gradient", "0.1", "0.2"),
            ("insertion_blur", "random", "sobel", "", ""),
        )
    ]
    rows.append(rows[0] | {"compared": "models", "model": ""})
    assert _against_random(rows) == {
        ("m", "cam", "road"): True,
        ("m", "gradient", "road"): False,
        ("m", "cam", "insertion_blur"): False,
    }


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (
            Score(0.3, 0.2, 0.4, 0.1, 20, beats=True, verdict="believe"),
            "m: ahead of a random map, by intervals that exclude 0: road: cam.",
        ),
        (Score(0.3, 0.2, 0.4, 0.1, 20, beats=True), "Nobody judged these metrics for this model"),
        (
            Score(0.3, 0.2, 0.4, 0.1, 20, beats=False, verdict="believe"),
            "m: no method is ahead of a random map in road.",
        ),
        (Score(0.3, 0.2, 0.4, 0.1, 9, beats=True, verdict="believe"), "rest on fewer than 10 images: no conclusion"),
        (Score(0.3, 0.2, 0.4, 0.1, 20, beats=True, verdict="no"), "metrics that the calibration does not support"),
        (Score(0.3, math.nan, math.nan, 0.1, 20), ""),
    ],
)
def test_only_what_carries_a_conclusion_is_one(score, words):
    said = answers({("m", "cam", "road"): score}, ["road"])
    assert len(said) == bool(words)
    assert words in "".join(said)
