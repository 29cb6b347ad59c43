"""The health report: counted from planted scores and curves."""

import json

import numpy as np
import pytest

from xaijax.metrics import Curves, Scores, health
from xaijax.metrics._health import as_dict

METRIC = "sic_shannon"


def curve_row(image, method, draw, auc, information, response=(0.5, 0.5)):
    return image, method, METRIC, draw, auc, [0.0, 0.3, 0.6, 1.0], [0.0, 0.5, 0.5, 1.0], information, response


@pytest.fixture
def scores():
    rows = []
    for image, values in {"a": (0.8, 0.5, 0.9), "b": (0.6, 0.7, None), "c": (None, None, None)}.items():
        for method, value in zip(("cam", "random", "oracle"), values, strict=True):
            missing = "information_not_larger" if image == "c" else "empty_mask"
            rows.append((image, method, METRIC, np.nan if value is None else value, "" if value else missing))
    curves = [
        curve_row("a", "cam", 0, 0.7, [0.2, 0.4]),
        curve_row("a", "cam", 1, 0.9, [0.5, 0.4]),
        curve_row("b", "cam", 0, 0.6, [0.5, 1.2]),
        curve_row("b", "cam", 1, 0.6, [1.0, 1.0], (1.0, 1.0)),
    ]
    return Scores.from_rows(rows, Curves.from_rows(curves))


def test_counts(scores):
    report = health(scores)[METRIC]
    assert (report.images, report.used) == (3, 2)
    assert report.skipped == {"information_not_larger": 1}
    assert (report.random, report.oracle) == (0.5, 0.9)  # on image a alone, where both have a value
    cam = report.methods["cam"]
    assert (cam.scored, cam.mean, cam.median) == (2, pytest.approx(0.7), pytest.approx(0.7))
    # 0.5 to 0.4 falls, and so does 1.2 to the original's 1.
    assert cam.non_monotone == 0.5
    assert cam.revealed_at_once == 0.25
    assert cam.mask_spread == pytest.approx((np.std([0.7, 0.9], ddof=1) + 0.0) / 2)
    assert np.isnan(report.methods["random"].mask_spread)
    assert report.methods["oracle"].scored == 1


def test_warnings_are_sentences(scores):
    warnings = health(scores)[METRIC].warnings
    assert len(warnings) == 1
    assert "25% of the maps of cam show the whole image at the first fraction" in warnings[0]
    rows = [("a", "random", METRIC, 0.7, ""), ("a", "oracle", METRIC, 0.6, "")]
    rows += [(name, method, METRIC, np.nan, "original_wrong") for name in "bc" for method in ("random", "oracle")]
    warnings = health(Scores.from_rows(rows))[METRIC].warnings
    assert warnings[0] == (
        "only 1 of 3 images could be scored by sic_shannon; most often the class is not predicted on the original image"
    )
    assert warnings[1].startswith("the random map (0.700) beats the ground truth (0.600) in sic_shannon")


def test_direction_counts_for_the_controls():
    rows = [("a", "random", "centroid_distance", 9.0, ""), ("a", "oracle", "centroid_distance", 1.0, "")]
    assert not health(Scores.from_rows(rows))["centroid_distance"].warnings
    rows = [("a", "random", "centroid_distance", 1.0, ""), ("a", "oracle", "centroid_distance", 9.0, "")]
    assert "beats the ground truth" in health(Scores.from_rows(rows))["centroid_distance"].warnings[0]


def test_without_controls_or_values():
    report = health(Scores.from_rows([("a", "cam", "iou", np.nan, "empty_mask")]))["iou"]
    assert report.used == 0
    assert np.isnan(report.random)
    assert np.isnan(report.methods["cam"].mean)
    assert report.warnings == ("no image could be scored by iou",)
    assert health(Scores()) == {}


def test_ready_for_json(scores):
    text = json.dumps(as_dict(health(scores)), allow_nan=False)
    assert json.loads(text)[METRIC]["methods"]["random"]["mask_spread"] is None
