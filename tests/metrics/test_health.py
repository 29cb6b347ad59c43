"""The health of scores: counted from planted scores and curves, and said in sentences."""

import json
import re

import numpy as np
import pytest

from xaijax.metrics import Curves, Scores, Statement, health, statements
from xaijax.metrics._health import as_dict, falling_share, paired_difference, usage

METRIC = "sic_shannon"
METHODS = ("gradient", "grad_cam", "random", "oracle")
IDS = [f"i{n:02d}" for n in range(12)]


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
    assert warnings[1] == (
        "the ground truth (0.600) is not shown to beat the random map (0.700) in sic_shannon on 1 image: too little to "
        "say that the metric fails here"
    )


def controls(metric, random, oracle):
    """Scores of the two controls on as many images as there are values."""
    pairs = enumerate(zip(random, oracle, strict=True))
    return Scores.from_rows(
        [(f"i{n:02d}", m, metric, v, "") for n, pair in pairs for m, v in zip(("random", "oracle"), pair, strict=True)]
    )


def test_direction_counts_for_the_controls():
    low, high = [1.0] * 12, [9.0] * 12
    assert not health(controls("centroid_distance", high, low))["centroid_distance"].warnings
    assert "beats the ground truth" in health(controls("centroid_distance", low, high))["centroid_distance"].warnings[0]


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_few_images_refute_no_metric_and_no_method(count):
    """The bootstrap interval of two images is their range: it excludes 0 half of the time where there is nothing."""
    found = controls("iou", [0.9 + 0.001 * n for n in range(count)], [0.2] * count)
    assert "too little to say" in health(found)["iou"].warnings[0]
    kinds = {s.kind: s.text for s in statements(found)}
    assert "is not shown to score better" in kinds["oracle"]
    rows = [row._replace(method="cam" if row.method == "oracle" else row.method) for row in found]
    found = statements(Scores.from_rows(rows))
    assert not [s for s in found if s.kind in ("worse", "artefact")]
    below = [s.text for s in found if "too few to call a method worse: cam in iou" in s.text]
    assert len(below) == (count > 1)  # one image has no interval


def test_a_control_that_leads_by_chance_refutes_no_metric():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 40)
    noise += 0.001 - noise.mean()  # the mean is above, the interval includes 0
    found = controls("iou", 0.5 + noise, [0.5] * 40)
    assert "too little to say" in health(found)["iou"].warnings[0]
    (text,) = (s.text for s in statements(found) if s.kind == "oracle")
    assert re.search(r"iou by 0\.001 \(95 % interval -0\.0\d+ to 0\.0\d+, 40 images\)", text)


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


def score_rows(ids, *, metric="sic_webp", seed=0):
    """Scores of two metrics; the quality of a method follows its place in METHODS but for noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, image in enumerate(ids):
        iou = float(rng.random())  # the same for all methods: none can be distinguished from another
        for quality, method in enumerate(METHODS):
            skipped = number == 0
            value = float("nan") if skipped else 0.2 * quality + 0.05 * rng.random()
            rows.append((image, method, metric, value, "information_not_larger" if skipped else ""))
            if method != "oracle":
                rows.append((image, method, "iou", iou, ""))
    return rows


def curve_rows(ids, *, falls=False, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for image in ids:
        for method in METHODS:
            information = np.sort(rng.random(5))
            response = np.sort(rng.random(5))
            points = [0.0, *information, 1.0], [0.0, *response, 1.0]
            raw = information[::-1] if falls else information
            rows.append((image, method, "sic_webp", 0, 0.5, *points, list(raw), list(response)))
    return rows


def said(rows, curves=(), **options):
    return statements(Scores.from_rows(rows, Curves.from_rows(list(curves))), **options)


def swapped(rows, first, second):
    names = {first: second, second: first}
    return [(image, names.get(method, method), *rest) for image, method, *rest in rows]


def test_usage_counts_images_not_scores():
    found = {entry.metric: entry for entry in usage(Scores.from_rows(score_rows(IDS)))}
    assert found["sic_webp"].scored == 11
    assert found["sic_webp"].reasons == {"information_not_larger": 1}
    assert found["iou"].scored == 12


def test_skipped_images_are_named_with_their_reason():
    found = said(score_rows(IDS), skipped=[("broken.png", "truncated")])
    texts = [s.text for s in found]
    assert any("1 image could not be read" in text and "broken.png: truncated" in text for text in texts)
    assert any("1 because the original holds no more information" in text for text in texts)
    assert found[0].kind == "skipped"


def test_falling_information_is_counted_once_for_both_curves():
    rows = curve_rows(IDS[:3], falls=True) + curve_rows(IDS[3:6])
    both = rows + [(image, method, "aic_webp", *rest) for image, method, _, *rest in rows]
    share = falling_share(Curves.from_rows(both))
    assert share == {"webp": (3 * len(METHODS), 6 * len(METHODS))}
    texts = [s.text for s in said(score_rows(IDS), both)]
    assert any("50 % of the webp curves" in text for text in texts)


def test_a_fall_below_the_original_or_the_blurred_image_counts():
    row = curve_rows(["x"])[0]
    above = (*row[:7], [0.2, 0.9, 1.2, 1.3, 1.4], row[8])
    below = (*row[:7], [-0.1, 0.2, 0.3, 0.4, 0.5], row[8])
    assert falling_share(Curves.from_rows([above])) == {"webp": (1, 1)}
    assert falling_share(Curves.from_rows([below])) == {"webp": (1, 1)}


def test_random_beating_the_oracle_is_said_with_its_size():
    quiet = said(score_rows(IDS))
    assert not any("oracle" in s.text for s in quiet)
    loud = [s for s in said(swapped(score_rows(IDS), "random", "oracle")) if "oracle" in s.text]
    assert len(loud) == 1
    assert loud[0].warns
    assert loud[0].kind == "oracle"
    assert re.search(r"sic_webp by 0\.(19|20|21)\d \(95 % interval 0\.1\d+ to 0\.2\d+\)", loud[0].text)


def test_methods_below_random_and_methods_that_cannot_be_told_from_it():
    texts = {s.text: s.warns for s in said(score_rows(IDS))}
    worse = [text for text in texts if "worse than the random control" in text]
    assert [text.split()[0] for text in worse] == ["gradient", "grad_cam"]
    assert all(texts[text] and "sic_webp" in text and "iou" not in text for text in worse)
    assert any(text.startswith("Not distinguishable") and "gradient in iou" in text for text in texts)


def test_few_images_are_a_warning():
    assert any("only 2 images" in s.text and s.warns for s in said(score_rows(IDS[:3])))


def test_marking_an_artefact_is_not_called_worse():
    # Lower is better there: the first methods mark the artefact most.
    rows = [
        (image, method, metric, 1 - value if metric == "artefact_mass" else value, reason)
        for image, method, metric, value, reason in score_rows(IDS, metric="artefact_mass")
    ]
    texts = [s.text for s in said(rows)]
    assert not any("worse than" in text for text in texts)
    marks = [text for text in texts if "marks the artefact more than the random control in artefact_mass" in text]
    assert [text.split()[0] for text in marks] == ["gradient", "grad_cam"]


def test_several_models_are_named():
    one, other = Scores.from_rows(score_rows(IDS)), Scores.from_rows(score_rows(IDS, seed=1))
    found = statements({"small": one, "large": other})
    for model in ("small", "large"):
        assert sum(f"grad_cam on {model} scores worse than the random control" in s.text for s in found) == 1
    assert all(isinstance(s, Statement) for s in found)
    assert [s.warns for s in found] == sorted((s.warns for s in found), reverse=True)
    assert statements({"small": one}) == statements(one)
    assert statements(Scores()) == []


def test_differences_are_paired():
    images, methods, values = Scores.from_rows(score_rows([f"i{n}" for n in range(9)])).matrix("sic_webp")
    gap = paired_difference(images, values[:, methods.index("oracle")], values[:, methods.index("random")])
    assert gap.n == 8
    assert 0.15 < gap.low <= gap.mean <= gap.high < 0.25
    backwards = paired_difference(
        images[::-1], values[::-1, methods.index("oracle")], values[::-1, methods.index("random")]
    )
    assert backwards == gap
    nothing = paired_difference(["a", "b"], [1.0, np.nan], [np.nan, 2.0])
    assert nothing.n == 0
    assert np.isnan(nothing.mean)


def by_class(scored):
    """Scores of "aic_webp": {class: (images with a value, images)}, and the class of each image."""
    rows, labels = [], {}
    for name, (some, every) in scored.items():
        for number in range(every):
            labels[f"{name} {number}"] = name
            there = number < some
            value, reason = (0.5 + 0.01 * number, "") if there else (np.nan, "original_wrong")
            rows.append((f"{name} {number}", "cam", "aic_webp", value, reason))
    return Scores.from_rows(rows), labels


def test_a_class_that_is_hardly_scored_is_a_warning():
    scores, labels = by_class({"glioma": (1, 10), "meningioma": (8, 10), "pituitary": (9, 10)})
    (entry,) = usage(scores, labels)
    assert entry.classes == {"glioma": (1, 10), "meningioma": (8, 10), "pituitary": (9, 10)}
    said = [one for one in statements(scores, labels) if one.kind == "class"]
    assert [one.text for one in said] == [
        "aic_webp could score 1 of 10 images of glioma and 17 of 20 of all others: the mean says little about glioma."
    ]
    assert said[0].warns
    report = health(scores, labels)["aic_webp"]
    assert report.classes["glioma"] == (1, 10)
    assert any("little about glioma" in warning for warning in report.warnings)


@pytest.mark.parametrize(("low", "warns"), [(3, True), (4, False), (8, False), (0, True)])
def test_half_of_the_share_of_the_other_classes_is_the_limit(low, warns):
    scores, labels = by_class({"a": (low, 10), "b": (8, 10)})
    assert ("a" in usage(scores, labels)[0].neglected()) is warns
    assert usage(scores)[0].neglected() == []  # classes are not known


def test_findings_are_classes_by_themselves():
    rows = [(str(i), "cam", "iou", np.nan, "empty_mask", "mass") for i in range(4)]
    rows += [(str(i), "cam", "iou", 0.5, "", "nodule") for i in range(4)]
    (entry,) = usage(Scores.from_rows(rows))
    assert entry.classes == {"mass": (0, 4), "nodule": (4, 4)}
    assert entry.neglected() == ["mass"]


def test_metrics_that_are_not_believed_compare_no_methods():
    rows = [
        (str(i), m, metric, v + 0.01 * i, "")
        for i in range(12)
        for m, v in (("cam", 0.2), ("random", 0.5))
        for metric in ("iou", "energy")
    ]
    scores = Scores.from_rows(rows)
    (both,) = (one.text for one in statements(scores) if one.kind == "worse")
    (one,) = (one.text for one in statements(scores, believed={("", "iou")}) if one.kind == "worse")
    assert "in iou and energy" in both
    assert "in iou (" in one
    assert not [one for one in statements(scores, believed=()) if one.kind in ("worse", "level", "oracle")]
    models = statements({"small": scores, "large": scores}, believed={("large", "iou")})
    assert [one.text for one in models if one.kind == "worse"] == [
        "cam on large scores worse than the random control in iou (95 % interval excludes 0)."
    ]
