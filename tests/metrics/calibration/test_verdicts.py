"""From maps to verdicts: sabotaged metrics are found out, rules apply in their order, results survive JSON."""

import dataclasses
import json

import numpy as np
import pytest

from xaijax import data, models
from xaijax._errors import InputError
from xaijax.metrics import evaluate
from xaijax.metrics.calibration import (
    Calibration,
    OtherMetric,
    Row,
    Thresholds,
    calibrate,
    evidence_free,
    judge,
    plan,
    score_case,
)
from xaijax.metrics.calibration.bootstrap import Mean
from xaijax.metrics.calibration.models import Model
from xaijax.metrics.calibration.scoring import NEGATIVE, POSITIVE
from xaijax.metrics.calibration.verdict import Evidence, rule

SIZE = (16, 16)
SMALL = {"perturbation": {"steps": 6}}


class Bright:
    """Two classes by the mean of the middle."""

    classes = ("dark", "bright")

    def __init__(self):
        self.images = 0

    def predict(self, images):
        self.images += len(images)
        p = 1 / (1 + np.exp(4 - 16 * images[:, 2:-2, 2:-2].mean(axis=(1, 2, 3))))
        return np.stack([1 - p, p], axis=1)


def inputs(count=18):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 40, (count, *SIZE, 1)).astype(np.uint8)
    images[:, 3:13, 3:13] += 180
    masks = np.zeros((count, *SIZE), bool)
    masks[:, 4:12, 4:12] = True
    return images, np.ones(count, int), masks


def truth_of(scene):
    """A metric that knows the truth: the share of the map that lies on it."""
    return lambda predict, image, label, map: float((map * scene.truth).sum() / map.sum())


@pytest.fixture(scope="module")
def made():
    images, labels, masks = inputs()
    return plan(Bright(), images, labels, masks=masks, batch_size=16)


@pytest.fixture(scope="module")
def rows(made):
    """Of a metric that knows the truth, sabotaged in three ways, and of three of the package's own."""
    found = []
    for case in made.cases:
        scene = made.scene(case.number)
        wrong = dataclasses.replace(scene, truth=np.roll(scene.truth, (5, 9), (0, 1)).T)
        knows = truth_of(scene)
        shape = scene.image.shape
        others = {
            "knows": OtherMetric(knows, higher_is_better=True),
            "negated": OtherMetric(lambda *given, knows=knows: -knows(*given), higher_is_better=True),
            "lower": OtherMetric(lambda *given, knows=knows: -knows(*given), higher_is_better=False),
            "ignores": OtherMetric(lambda *given, shape=shape: float(shape[0]), higher_is_better=True),
            "another": OtherMetric(truth_of(wrong), higher_is_better=True),
        }
        names = ["sparseness", "deletion_black", "iou", "adcc", "agreement_ssim"]
        found += score_case(made, case.number, names, SMALL, others)
    return found


OTHERS = {"knows": True, "negated": True, "lower": False, "ignores": True, "another": True}


@pytest.fixture(scope="module")
def judged(made, rows):
    return judge(made, rows, others=OTHERS, answers=evidence_free(made.model, made.images))


def test_a_metric_that_knows_the_truth_is_believed(judged):
    assert judged.controls.passed
    assert judged.controls.positive == 1
    assert judged.controls.negative == 0.5
    for name in ("knows", "lower"):
        one = judged.metrics[name]
        assert one.verdict == "believe"
        assert (one.numbers.concordance.value, one.numbers.twin.value, one.numbers.random_dominance.value) == (1, 1, 0)
        assert one.numbers.tau.value == 1
        assert one.numbers.images_for_power == 5
        assert one.numbers.texture_share < 0.05
    for construction in ("view", "mosaic", "parts"):
        assert (
            judged.metrics["lower"].constructions[construction] == judged.metrics["knows"].constructions[construction]
        )


def test_sabotage_is_found_out(judged):
    assert judged.metrics["negated"].verdict == "no"
    assert judged.metrics["negated"].numbers.concordance.value == 0
    assert judged.metrics["negated"].numbers.random_dominance.value == 1
    ignores = judged.metrics["ignores"]
    assert ignores.verdict == "no"
    assert (ignores.numbers.concordance.value, ignores.numbers.twin.value) == (0.5, 0.5)
    assert ignores.numbers.random_dominance.value == 1
    assert ignores.numbers.tau.value == 0
    assert judged.metrics["another"].verdict == "no"
    assert judged.metrics["sparseness"].verdict == "no"
    assert {one.twin.value for one in judged.metrics["sparseness"].constructions.values()} == {0.5}


def test_permuted_images_turn_the_verdict(made, rows):
    images, _, _ = inputs()
    rng = np.random.default_rng(1)
    shuffled = []
    for case in made.cases:
        scene = made.scene(case.number)
        lost = OtherMetric(
            lambda predict, image, label, map, rng=rng: float(rng.permutation(map.ravel())[:64].mean()),
            higher_is_better=True,
        )
        shuffled += score_case(made, case.number, (), None, {"knows": lost})
        assert scene.image.dtype == images.dtype
    found = judge(made, shuffled, others={"knows": True})
    assert found.metrics["knows"].verdict == "no"
    assert judge(made, rows, others=OTHERS).metrics["knows"].verdict == "believe"


def test_metrics_that_cannot_be_judged_on_maps_say_why(judged):
    why = {name: judged.metrics[name].why for name in ("iou", "adcc", "agreement_ssim")}
    assert why == {
        "iou": "it reads the mask, not the model",
        "adcc": "it needs an explainer instead of a map",
        "agreement_ssim": "it compares several maps of an image",
    }
    assert all(judged.metrics[name].verdict == "not_judged" for name in why)


def test_a_metric_without_values_for_a_class_is_not_judged(made, rows):
    names = {case: f"class {case % 2}" for case in range(len(made.cases))}
    part = [row._replace(label_class=names[row.case]) for row in rows if row.metric == "knows"]
    controls = [row for row in rows if row.metric.startswith("control:")]
    lost = [
        row._replace(value=np.nan, reason="blurred_already_right") if row.case % 2 and row.case % 8 != 1 else row
        for row in part
    ]
    one = judge(made, controls + lost, others=OTHERS).metrics["knows"]
    assert one.verdict == "not_judged"
    assert "class 1" in one.why
    assert "class 0" not in one.why
    assert one.scored["class 1"] < 0.5
    assert one.scored["class 0"] == 1
    assert sum(numbers.reasons["blurred_already_right"] for numbers in one.constructions.values()) == sum(
        bool(row.reason) for row in lost
    )


@pytest.mark.parametrize("control", [POSITIVE, *NEGATIVE])
def test_a_failed_control_vetoes_every_verdict(made, rows, control):
    rng = np.random.default_rng(0)
    broken = [row._replace(value=float(rng.random())) if row.metric == control else row for row in rows]
    if control != POSITIVE:
        broken = [
            row._replace(value=0.0 if row.map.startswith("roll:") else 1.0) if row.metric == control else row
            for row in rows
        ]
    found = judge(made, broken, others=OTHERS)
    assert not found.controls.passed
    assert found.controls.reason
    verdicts = {name: one.verdict for name, one in found.metrics.items()}
    assert verdicts["knows"] == verdicts["sparseness"] == "no_verdict"
    assert verdicts["iou"] == "not_judged"
    assert found.metrics["knows"].why == found.controls.reason
    assert found.sensitivity() == {}


def test_the_result_survives_json(judged):
    text = json.dumps(judged.to_json(), allow_nan=False)
    again = Calibration.from_json(json.loads(text))
    assert again.to_json() == judged.to_json()
    assert again.sensitivity() == judged.sensitivity()
    assert repr(again) == repr(judged)
    found = json.loads(text)
    top = found["metrics"]["knows"]
    assert top["verdict"] == "believe"
    assert top["interval"][0] <= top["concordance"] <= top["interval"][1]
    assert top["twin_interval"][0] >= 0.7
    assert top["decided_by"] in ("view", "mosaic", "parts")
    assert set(top["constructions"]) == {"view", "mosaic", "parts"}
    assert found["constructions"]["view"] == {"cases": 18, "groups": 18, "left_out": {}}
    assert found["controls"]["positive"] == {"concordance": 1.0, "passed": True}
    assert found["thresholds"]["concordance"] == 0.7
    assert [one["image"] for one in found["answers"]] == ["black", "mean", "blurred", "filled", "scattered"]
    with pytest.raises(InputError, match="calibrate again"):
        Calibration.from_json({**found, "schema": 7})


def test_the_table_has_a_row_per_metric_and_construction(judged):
    table = judged.to_pandas()
    assert len(table) == 7 * 3 + 3
    row = table[(table.metric == "knows") & (table.construction == "view")].iloc[0]
    assert row.concordance == 1
    assert row.interval_low < 1
    assert row.twin_interval_high == 1


def means(value, low, high, n=24):
    return Mean(value, low, high, n)


def evidence(c=(0.9, 0.85, 0.95), d=(0.95, 0.9, 1.0), dominance=(0.0, 0.0, 0.14), tau=0.8, n=24):
    return Evidence(means(*c, n), means(*d, n), means(*dominance, n), tau)


def ruling(**changed):
    """The ruling where one construction differs from sure ones."""
    return rule({"view": evidence(**changed), "mosaic": evidence(), "parts": evidence()}, {"a": 1.0}, Thresholds())


def test_rules_apply_in_their_order():
    assert ruling().verdict == "believe"
    assert ruling(d=(0.6, 0.5, 0.79)).verdict == "no"
    assert "view" in ruling(d=(0.6, 0.5, 0.79)).why
    assert ruling(c=(0.6, 0.55, 0.65)).verdict == "same_kind"
    assert ruling(c=(0.6, 0.55, 0.65), tau=0.49).verdict == "no"
    assert ruling(c=(0.6, 0.55, 0.65), d=(0.85, 0.75, 0.9)).verdict == "no"
    assert ruling(c=(0.75, 0.65, 0.85)).verdict == "undecided"
    assert ruling(c=(0.75, 0.65, 0.85), d=(0.6, 0.5, 0.79)).verdict == "no"
    assert ruling(c=(0.6, 0.55, 0.65), dominance=(0.1, 0.05, 0.3)).verdict == "same_kind"
    assert ruling(dominance=(0.3, 0.2, 0.4)).verdict == "same_kind"
    assert ruling(dominance=(0.1, 0.02, 0.25)).verdict == "undecided"
    assert ruling(dominance=(0.15, 0.05, 0.25)).verdict == "undecided"
    assert ruling(dominance=(0.1, 0.05, 0.2)).verdict == "believe"
    assert ruling(n=7).verdict == "undecided"
    assert ruling(n=7, d=(0.6, 0.5, 0.79)).verdict == "undecided", "few images decide nothing"
    only = rule({"view": evidence()}, {"a": 1.0}, Thresholds())
    assert only.verdict == "undecided"
    assert "mosaic and parts" in only.why
    assert rule({"view": evidence()}, {"a": 0.4}, Thresholds()).verdict == "not_judged"


def test_images_that_would_decide():
    assert ruling(c=(0.8, 0.6, 0.9)).images == 24 * 4  # half-width 0.2 must fall to 0.1
    assert ruling(c=(0.65, 0.55, 0.75)).images == 24 * 4
    assert ruling(c=(0.7, 0.6, 0.8)).images is None
    assert ruling(dominance=(0.1, 0.02, 0.3)).images == 24 * 4
    assert ruling().images is None
    both = ruling(c=(0.8, 0.6, 0.9), d=(0.85, 0.75, 0.95))
    assert both.images == 24 * 4
    assert both.why == "C in view is 0.80 (0.60 to 0.90), and must be 0.7 or more (1 more condition not met)"


def test_verdicts_near_a_threshold_are_named(judged):
    near = dataclasses.replace(
        judged.metrics["knows"].constructions["view"], concordance=means(0.8, 0.72, 0.9), twin=means(0.95, 0.9, 1.0)
    )
    one = dataclasses.replace(judged.metrics["knows"], constructions={"view": near, "mosaic": near, "parts": near})
    found = dataclasses.replace(judged, metrics={"near": one})
    assert found.sensitivity()["near"]["concordance+0.05"] == "undecided"
    assert "concordance-0.05" not in found.sensitivity()["near"]


def test_rows_are_what_evaluate_says(made, rows):
    case, scene = made.cases[4], made.scene(4)
    mine = {row.map: row.value for row in rows if row.case == 4 and row.metric == "deletion_black"}
    assert set(mine) == set(made.maps)
    from xaijax.metrics.calibration.ladder import maps_of

    maps = dict(maps_of(scene.truth, scene.image, made.textures, made.levels, (made.seed, 4)))
    plain = evaluate(
        scene.classifier, scene.image[None], [scene.label], {name: one[None] for name, one in maps.items()},
        metrics=["deletion_black"], settings=made.settings(SMALL), ids=["x"],
    )  # fmt: skip
    assert dict(zip(plain.method, plain.value, strict=True)) == mine
    assert case.construction == rows[0].construction or case.number == 4


def test_the_estimate_of_passes_is_an_upper_bound(made):
    names = ["sic_mutual", "aic_mutual", "deletion_black", "insertion_black", "road", "average_drop", "drop_top15"]
    model = Model(Bright(), 16)
    again = dataclasses.replace(made, model=model)
    estimate = again.passes(names, SMALL)
    for case in again.cases:
        score_case(again, case.number, names, SMALL)
    assert 0.2 * estimate < model.passes <= estimate
    assert again.passes(["sparseness"]) == 0


def test_time_that_is_spent_leaves_cases_out():
    images, labels, masks = inputs(8)
    found = calibrate(Bright(), images, labels, masks=masks, metrics=["sparseness"], minutes=0)
    assert found.left_out == {"no_time": 23}
    seen = []
    calibrate(
        Bright(), images[:2], labels[:2], masks=masks[:2], metrics=["sparseness"], progress=lambda *at: seen.append(at)
    )
    assert seen[-1] == (6, 6)


def test_other_metrics_are_checked_and_get_what_they_are_promised():
    images, labels, masks = inputs(2)
    made = plan(Bright(), images, labels, masks=masks, constructions=["view"])

    def looks(predict, image, label, map):
        assert image.dtype == np.float32
        assert image.max() <= 1
        assert predict(image[None]).shape == (1, 2)
        assert label == 1
        assert map.shape == SIZE
        return float("nan")

    rows = score_case(made, 0, (), others={"looks": OtherMetric(looks, True)})
    assert {row.reason for row in rows if row.metric == "looks"} == {"not_finite"}
    assert all(isinstance(row, Row) for row in rows)
    with pytest.raises(InputError, match="is taken"):
        score_case(made, 0, (), others={"iou": OtherMetric(looks, True)})
    with pytest.raises(InputError, match="OtherMetric"):
        score_case(made, 0, (), others={"looks": looks})


def test_answers_to_images_without_evidence():
    class Counting(Bright):
        def predict(self, images):
            return super().predict(images)

    images, _, _ = inputs(3)
    found = {one["image"]: one for one in evidence_free(Model(Counting(), 8), images)}
    assert found["black"]["class"] == "dark"
    assert found["black"]["shares"] == {"dark": 1.0, "bright": 0.0}
    colour = np.rint(images.mean(axis=(1, 2, 3))) / 255
    p = 1 / (1 + np.exp(4 - 16 * colour))
    expected = np.stack([1 - p, p], axis=1).mean(axis=0)
    assert found["mean"]["probability"] == pytest.approx(expected[int(found["mean"]["class"] == "bright")], abs=1e-5)
    assert set(found["scattered"]["shares"]) == {"dark", "bright"}


def test_the_built_in_classifier_on_phantoms():
    classifier = models.builtin()
    batch = data.open_dataset("phantoms", count=6, size=128, seed=3).read(shape=classifier.input_shape)
    found = calibrate(
        classifier, batch.images, batch.labels, masks=batch.masks, metrics=["average_drop", "drop_top15", "sparseness"],
        count=3, batch_size=16,
    )  # fmt: skip
    assert found.controls.passed
    assert set(found.constructions) == {"view", "mosaic", "parts"}
    assert found.metrics["average_drop"].verdict == "undecided"  # three images decide nothing
    assert found.metrics["average_drop"].images_to_decide == 8
    assert found.metrics["average_drop"].constructions["mosaic"].twin.value > 0.5
    assert found.metrics["sparseness"].constructions["view"].twin.value == 0.5
    assert set(found.classes) <= set(classifier.classes)
