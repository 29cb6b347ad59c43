"""What a study reads from the tables of its cells, and which sentences it makes of them."""

import math
from types import SimpleNamespace

import pyarrow as pa
import pytest

from xaijax.evaluate.report import cautions, conclusions
from xaijax.metrics import REASONS
from xaijax.study.plan import Cell
from xaijax.study.report import _method_values, cascade_answers
from xaijax.study.results import Score, _against_random, answers, behind, of_cascade, unscored, without_value


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
            "n": "12",
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
        ("m", "cam", "road"): (True, 12),
        ("m", "gradient", "road"): (False, 12),
        ("m", "cam", "insertion_blur"): (False, 12),
    }


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (
            Score(0.3, 0.2, 0.4, 0.1, 20, beats=True, verdict="believe"),
            "m: ahead of a random map, by intervals that exclude 0: road: cam.",
        ),
        (
            Score(0.3, 0.2, 0.4, 0.1, 20, beats=True),
            "m: ahead of a random map, by intervals that exclude 0: road: cam.\n"
            "no calibration judged road: these results describe the images and conclude nothing.",
        ),
        (
            Score(0.3, 0.2, 0.4, 0.1, 20, beats=False, verdict="believe"),
            "m: no method is ahead of a random map in road.",
        ),
        (Score(0.3, 0.2, 0.4, 0.1, 9, beats=True, verdict="believe"), "rest on fewer than 10 images: no conclusion"),
        # 20 images of 3 patients, or 20 of which the random map has a value for 3
        (
            Score(0.3, 0.2, 0.4, 0.1, 20, beats=True, verdict="believe", pairs=3),
            "rest on fewer than 10 images: no conclusion",
        ),
        (Score(0.3, 0.2, 0.4, 0.1, 20, beats=True, verdict="no"), "metrics that the calibration does not support"),
        (Score(0.3, math.nan, math.nan, 0.1, 20), ""),
    ],
)
def test_only_what_carries_a_conclusion_is_one(score, words):
    said = answers({("m", "cam", "road"): score}, ["road"])
    assert len(said) == len(words.splitlines())
    assert words in "\n".join(said)


def test_a_control_that_is_ahead_of_another_control_is_no_method_that_is():
    ahead = {name: Score(0.9, 0.8, 1.0, 0.1, 20, beats=True, verdict="believe") for name in ("sobel", "cam")}
    found = {("m", name, "road"): score for name, score in ahead.items()}
    assert answers(found, ["road"]) == [
        "m: ahead of a random map, by intervals that exclude 0: road: cam.",
        "m: sobel, which knows nothing of the model, is ahead of a random map in road too: there such a lead alone is "
        "no sign of the model.",
    ]


def test_a_class_is_behind_by_supported_metrics_on_enough_images_alone():
    rows = [
        {"model": "m", "metric": metric, "class": label, "images": images, "method": method, "mean": mean}
        for metric in ("road", "iou")
        for label, images in (("a", 12), ("b", 2))
        for method, mean in (("cam", 0.5), ("random", 0.5))
    ]
    found = {
        ("m", "cam", "road"): Score(0.5, 0.4, 0.6, 0.1, 14, verdict="believe"),
        ("m", "cam", "iou"): Score(0.5, 0.4, 0.6, 0.1, 14, verdict="no"),
    }
    assert behind(rows, found) == [
        "m, road: cam is no better than the random map on a (means over 12 images).",
        "m: 1 comparison with a random map by class rests on fewer than 10 images: no conclusion.",
    ]


def test_a_cascade_is_compared_on_enough_images_alone():
    test = {"cascade": "cascade K=2", "method": "cam", "metric": "iou", "difference": -0.2, "images": 12}
    few = "1 comparison with a single method in IoU rests on fewer than 10 images: no conclusion."
    assert cascade_answers([test | {"p_wilcoxon_holm": 0.01}], "iou") == [
        "cascade K=2 has less IoU than cam, by 0.200."
    ]
    for p in (0.2, math.nan, None):
        assert cascade_answers([test | {"p_wilcoxon_holm": p}], "iou")[0].startswith("no cascade differs")
        assert cascade_answers([test | {"p_wilcoxon_holm": p, "images": 3}], "iou") == [few]
    assert "no conclusion" in cascade_answers([], "iou")[0]


def test_a_metric_without_values_is_named_with_its_reasons(tmp_path):
    """Of four images IoU has a value on one, ROAD on all, the pointing game on none."""
    table = pa.Table.from_pylist(
        [
            {"model": "run", "image": image, "method": method, "metric": metric, "value": 1.0, "reason": reason}
            for image, iou in zip("abcd", ("", "empty_mask", "empty_mask", "full_mask"), strict=True)
            for method in ("cam", "random")
            for metric, reason in (
                ("iou", iou),
                ("road", ""),
                ("pointing_game", "flat_map" if method == "cam" else "empty_mask"),
            )
        ]
    )

    class Stored:
        def __init__(self, folder):
            assert folder == tmp_path

        def scores(self):
            return table

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xaijax.study.results.Store", Stored)
        said = unscored(SimpleNamespace(folder=tmp_path), {"run": "small"})
    assert said == [
        f"small: IoU has a value on 1 of 4 images: {REASONS['empty_mask']}; {REASONS['full_mask']}.",
        f"small: pointing game has a value on none of 4 images: {REASONS['flat_map']}; {REASONS['empty_mask']}.",
    ]


def test_values_of_several_models_stand_next_to_a_publication_with_their_names():
    one = {("m", "cam", "road"): Score(0.25, 0.2, 0.3, 0.1, 20)}
    two = one | {("n", "cam", "road"): Score(0.5, 0.4, 0.6, 0.1, 20)}
    assert _method_values(one)["cam", "road"] == "0.250"
    assert _method_values(two)["cam", "road"] == "m 0.250, n 0.500"
    assert _method_values(two)["n/cam", "road"] == "0.500"


@pytest.mark.parametrize(
    ("trainings", "value", "low", "words"),
    [
        (1, 0.6, 0.45, ["d: m is not told from chance: AUROC 0.600 (0.450 to 0.700), chance is 0.5."]),
        (1, 0.6, 0.55, []),
        (2, 0.9, 0.1, []),  # Student's interval of two trainings is no statement on chance
        (2, 0.4, 0.1, ["d: m is not told from chance: AUROC 0.400 (0.100 to 0.700), chance is 0.5."]),
        (1, None, None, []),
    ],
)
def test_a_classifier_that_chance_equals_is_named(trainings, value, low, words):
    scores = {"auroc": {"value": value, "low": low, "high": 0.7}, "macro_f1": {"value": None}}
    found = {"name": "d", "models": [{}], "recipes": [{"recipe": "m", "trainings": trainings, "scores": scores}]}
    assert conclusions(found | {"comparisons": []}, several=True) == words


def evaluated(values, comparisons=()):
    scores = [{"macro_f1": {"value": value, "low": value - 0.1, "high": value + 0.1}} for value in values]
    recipes = [{"recipe": name, "trainings": 1, "scores": one} for name, one in zip("abc", scores, strict=False)]
    return {"name": "d", "models": [{}], "recipes": recipes, "comparisons": comparisons}


def test_classifiers_that_tie_are_named_together():
    assert conclusions(evaluated([0.8, 0.3 + 0.5, 0.4]), several=True) == [
        "d: the best macro-F1 is 0.800 (0.700 to 0.900), of a and b."
    ]
    assert conclusions(evaluated([0.8, 0.9]), several=True) == ["d: the best macro-F1 is 0.900 (0.800 to 1.000), of b."]


@pytest.mark.parametrize(("units", "told"), [(3, False), (9, False), (10, True)])
def test_an_interval_of_a_few_images_tells_no_classifiers_apart(units, told):
    """Of two images, one with the finding, every sample has the same AUROC: the interval is a point."""
    pair = {
        "first": "a", "second": "b", "over": "images", "units": units, "resampled": "images", "test": None,
        "scores": {"macro_auroc": {"difference": 1.0, "low": 1.0, "high": 1.0}},
    }  # fmt: skip
    text = conclusions(evaluated([0.5], [pair]), several=True)[-1]
    assert ("b has a higher mean AUROC than a" in text) is told
    if not told:
        assert text == f"d: fewer than 10 to compare on, so no conclusion: a and b ({units} images)."


def test_no_error_on_a_few_images_is_no_certainty():
    """The bootstrap has only right answers to draw: "1.000 (1.000 to 1.000)" of nine images."""
    perfect = {name: {"value": 1.0, "low": 1.0, "high": 1.0} for name in ("accuracy", "macro_f1")}
    row = {"recipe": "m", "trainings": 1, "images": 9, "scores": perfect, "interval": "bootstrap over images"}
    found = {"name": "d", "models": [{"per_class": {}}], "classes": [], "recipes": [row], "comparisons": []}
    found["left_out"] = []
    # 0.7169 ** 9 = 0.05: of a model that is wrong on 28.3 % nine images show no error once in twenty.
    assert cautions(found, several=False) == [
        "m has no error on 9 images, so its intervals are points; of other images up to 28 % may be wrong (95 %)."
    ]
    row |= {"interval": "bootstrap over patients"}
    assert cautions(found, several=False)[0].endswith("points and do not say how sure that is.")
    row["scores"] = {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}}
    assert cautions(found, several=False) == []
