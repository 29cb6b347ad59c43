"""The table of scores: round trips through Arrow, pivots, and what is refused."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from xaijax._errors import InputError
from xaijax.bench.columns import of_table
from xaijax.metrics import FAMILIES, METRICS, REASONS, Curves, Explained, Responses, Scores, evaluate
from xaijax.metrics._interval import mean_interval
from xaijax.metrics.metric import ROLES, SEPARATOR, Family, Inputs, Metric, Result, rows_of
from xaijax.metrics.registry import resolve


def curve_row(image, method, draw, height):
    return (
        image, method, "sic_mutual", draw, height, [0.0, 0.5, 1.0], [0.0, height, 1.0], [0.5], [height],
    )  # fmt: skip


@pytest.fixture
def scores():
    rows = [
        ("a", "cam", "sic_mutual", 0.5, ""),
        ("a", "ig", "sic_mutual", 0.25, ""),
        ("b", "cam", "sic_mutual", np.nan, "not_finite"),
        ("b", "ig", "sic_mutual", 0.75, ""),
        ("b", "ig", "iou", np.nan, "empty_mask"),
    ]
    curves = Curves.from_rows([curve_row("a", "cam", 0, 0.25), curve_row("a", "cam", 1, 0.75)])
    return Scores.from_rows(rows, curves)


def test_arrow_round_trip(scores):
    table = scores.to_arrow()
    assert table.column_names == ["image", "method", "metric", "value", "reason"]
    assert [str(field.type) for field in table.schema] == ["string", "string", "string", "double", "string"]
    assert table.column("value").null_count == 0
    again = Scores.from_arrow(table, scores.curves.to_arrow())
    for name in ("image", "method", "metric", "reason"):
        assert getattr(again, name).tolist() == getattr(scores, name).tolist()
    np.testing.assert_array_equal(again.value, scores.value)
    np.testing.assert_array_equal(again.curves.position, scores.curves.position)
    np.testing.assert_array_equal(again.curves.draw, [0, 1])


def test_an_empty_table_keeps_its_columns():
    empty = Scores()
    assert empty.to_arrow().num_rows == 0
    assert [str(field.type) for field in empty.to_arrow().schema] == ["string", "string", "string", "double", "string"]
    assert len(Scores.from_arrow(empty.to_arrow(), empty.curves.to_arrow())) == 0
    assert len(Scores.concatenate([])) == 0


def test_matrix_and_select(scores):
    images, methods, values = scores.matrix("sic_mutual")
    assert (images, methods) == (["a", "b"], ["cam", "ig"])
    np.testing.assert_array_equal(values, [[0.5, 0.25], [np.nan, 0.75]])
    chosen = scores.select(image="a", method="cam")
    assert len(chosen) == 1
    assert len(chosen.curves) == 2
    assert len(scores.select(method="ig").curves) == 0
    assert scores.metrics() == ["sic_mutual", "iou"]


def test_concatenate_is_the_rows_in_order(scores):
    other = Scores.from_rows([("c", "cam", "iou", 1.0, "")])
    both = Scores.concatenate([other, scores])
    assert both.image.tolist() == ["c", *scores.image]
    assert len(both.curves) == 2


def test_aggregate_averages_masks_before_images(scores):
    curves = Curves.from_rows(
        [curve_row("a", "cam", 0, 0.0), curve_row("a", "cam", 1, 1.0), curve_row("b", "cam", 0, 0.2)]
    )
    _, value, _ = curves.aggregate("cam", "sic_mutual", "mean")
    assert value[500] == pytest.approx((0.5 + 0.2) / 2)
    with pytest.raises(ValueError, match="no sic_mutual curve of 'ig'"):
        curves.aggregate("ig", "sic_mutual")


def test_nan_needs_a_reason_and_a_value_has_none():
    with pytest.raises(ValueError, match=r"row 0 has the value nan and the reason ''"):
        Scores.from_rows([("a", "cam", "iou", np.nan, "")])
    with pytest.raises(ValueError, match=r"row 0 has the value 0\.5"):
        Scores.from_rows([("a", "cam", "iou", 0.5, "empty_mask")])


def test_the_registry_says_what_numbers_mean():
    assert {"aic_shannon", "sic_shannon", "aic_webp", "sic_webp", "aic_mutual", "sic_mutual"} <= set(METRICS)
    assert {"pointing_game", "average_precision", "iou", "top15_energy"} <= set(METRICS)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric in FAMILIES[metric.family].metrics
        assert metric.summary
        assert metric.reference
        assert set(metric.roles) <= set(ROLES)
    assert not METRICS["centroid_distance"].higher_is_better
    assert all(sentence for sentence in REASONS.values())


def test_names_are_resolved_once_and_unknown_ones_named():
    assert [metric.name for metric in resolve(["iou", "dice", "iou"])] == ["iou", "dice"]
    with pytest.raises(ValueError, match=r"^unknown metric 'iuo': did you mean iou or irof\?$"):
        resolve(["iou", "iuo"])
    with pytest.raises(ValueError, match=r'pass \["iou"\]'):
        resolve("iou")
    with pytest.raises(ValueError, match="no metric was given; choose from aic_shannon"):
        resolve([])
    assert [metric.name for metric in resolve(["Pointing Game", "AIC-webp", "pointing_game"])] == [
        "pointing_game", "aic_webp",
    ]  # fmt: skip


def test_perturbation_curves_may_differ_in_length(scores):
    rows = [
        ("a", "cam", "deletion", 0.5, [0.0, 1.0], [1.0, 0.0]),
        ("b", "cam", "deletion", 0.7, [0, 0.5, 1], [1, 1, 0]),
    ]
    curves = Responses.concatenate([Responses.from_rows(rows[:1]), Responses.from_rows(rows[1:])])
    again = Responses.from_arrow(curves.to_arrow())
    assert [len(points) for points in again.fraction] == [2, 3]
    _, value = again.mean("cam", "deletion", positions=5)
    np.testing.assert_allclose(value, [1, (0.75 + 1) / 2, (0.5 + 1) / 2, (0.25 + 0.5) / 2, 0])
    both = Scores.concatenate([scores, Scores.from_rows([("a", "cam", "deletion", 0.5, "")], responses=curves)])
    assert len(both.select(image="b").responses) == 1
    with pytest.raises(ValueError, match="no deletion curve of 'ig'"):
        curves.mean("ig", "deletion")


def test_a_family_plugs_in_with_all_it_may_need(monkeypatch):
    """The contract of `xaijax.metrics.metric`: what a family declares is what it is given, checked."""
    everything = frozenset({"model", "mask", "raw", "variants", "explainer"})
    needy = Metric("needy", "mine", "all", True, (None, None), "-", everything, "-", roles=("organ", "artefact"))
    easy = Metric("easy", "mine", "nothing", True, (None, None), "-", frozenset(), "-")
    seen = []

    def score(inputs: Inputs, metrics, settings):
        seen.append(inputs)
        made = inputs.explainers["cam"](inputs.classifier, inputs.images, inputs.labels)
        values = {"needy": made.sum((1, 2)) + settings.more, "easy": [np.nan] * len(inputs.ids)}
        return Result([row for m in metrics for row in rows_of(inputs.ids, "cam", m, values[m.name])])

    @dataclasses.dataclass(frozen=True)
    class Settings:
        more: float = 0.0

    family = Family("mine", (needy, easy), score, settings=Settings, reasons={"mine_only": "why"})
    monkeypatch.setitem(FAMILIES, "mine", family)
    monkeypatch.setitem(METRICS, "needy", needy)
    monkeypatch.setitem(METRICS, "easy", easy)

    class Model:
        def predict(self, images):
            return np.ones((len(images), 1))

    images, maps = np.zeros((2, 4, 4, 1), np.uint8), np.ones((2, 4, 4))
    masks = {"organ": np.ones((2, 4, 4), bool), "artefact": np.zeros((2, 4, 4), np.uint8)}
    given = {
        "raw": -np.ones((2, 4, 4)),
        "variants": {"flipped": np.ones((2, 4, 4))},
        "explainer": lambda classifier, images, labels: images[..., 0] + labels[:, None, None],
    }
    cam = {"cam": Explained(maps, **given)}
    scores = evaluate(Model(), images, [0, 0], cam, masks, metrics=["needy", "easy"], settings={"Mine": {"more": 2}})
    assert scores.matrix("needy")[2].ravel().tolist() == [2.0, 2.0]
    assert scores.select(metric="easy").reason.tolist() == ["not_finite"] * 2
    assert (seen[0].raw["cam"] == -1).all()
    assert set(seen[0].masks) == {"organ", "artefact"}

    for missing, message in [
        ("explainer", "needy needs the methods themselves; got maps alone"),
        ("variants", "needy compares several maps of an image; got one"),
    ]:
        rest = {name: value for name, value in given.items() if name != missing}
        with pytest.raises(ValueError, match=message):
            evaluate(Model(), images, [0, 0], {"cam": Explained(maps, **rest)}, masks, metrics=["needy"])
    with pytest.raises(ValueError, match="needy needs masks; got none"):
        evaluate(Model(), images, [0, 0], cam, metrics=["needy"])
    with pytest.raises(ValueError, match="needy needs artefact masks; these masks have the role 'organ'"):
        evaluate(Model(), images, [0, 0], cam, {"organ": masks["organ"]}, metrics=["needy"])
    with pytest.raises(TypeError, match="needy needs a classifier with predict"):
        evaluate(None, images, [0, 0], cam, masks, metrics=["needy"])
    for settings, message in [
        ({"mine": {"less": 1}}, "^mine has no option 'less': choose from more$"),
        ({"mine": {"more": "2"}}, "^mine.more is '2'; it must be a number$"),
        ({"my": {}}, "^unknown metric family 'my': "),
    ]:
        with pytest.raises(ValueError, match=message):
            evaluate(Model(), images, [0, 0], cam, masks, metrics=["needy"], settings=settings)
    for wrong, error, message in [
        ({"explainer": 3}, TypeError, r"^the explainer of 'cam' must be a function of \(classifier, .*; got int$"),
        ({"raw": np.zeros((2, 4))}, ValueError, r"^raw maps of 'cam' must be \[B, H, W\] = \(2, 4, 4\) like images"),
        ({"variants": [maps]}, TypeError, "^the variants of 'cam' must be a dictionary from name .*; got list$"),
        ({"variants": {"a": np.full((2, 4, 4), np.nan)}}, ValueError, "^variants 'a' must be finite; the map of 'cam'"),
    ]:
        with pytest.raises(error, match=message):
            evaluate(Model(), images, [0, 0], {"cam": Explained(maps, **wrong)}, metrics=["easy"])


def test_images_without_a_map_have_no_value_and_no_curve():
    """The others score as they do alone; what stands in the place of an absent map is not read."""

    class Mean:
        classes = ("dark", "bright")

        def predict(self, images):
            bright = np.asarray(images, np.float64).mean(axis=(1, 2, 3)) / 255
            return np.stack([1 - bright, bright], axis=1)

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 16, 16, 1)).astype(np.uint8)
    maps = rng.random((3, 16, 16))
    broken = maps.copy()
    broken[1] = np.nan
    there = np.array([True, False, True])
    metrics = ["sparseness", "deletion_black", "sic_shannon"]
    given = {"whole": maps, "few": Explained(broken, there=there)}
    scores = evaluate(Mean(), images, [1, 1, 1], given, metrics=metrics, ids=["a", "b", "c"])
    for metric in metrics:
        whole, few = (scores.select(method=method, metric=metric) for method in ("whole", "few"))
        assert few.reason.tolist()[1] == "no_map"
        np.testing.assert_array_equal(few.value[[0, 2]], whole.value[[0, 2]])
        assert np.isnan(few.value[1])
    assert set(scores.responses.select(method="few").image) == {"a", "c"}
    assert set(scores.responses.select(method="whole").image) == {"a", "b", "c"}
    for wrong in (np.array([True, False]), np.array([1, 0, 1])):
        with pytest.raises(ValueError, match="there of 'few' must be 3 bools"):
            evaluate(Mean(), images, [1, 1, 1], {"few": Explained(maps, there=wrong)}, metrics=metrics)


def test_intervals_of_findings_draw_images_with_all_their_findings():
    """The interval of the mean by the definition: images are drawn, each with every value it has."""
    random = np.random.default_rng(3)
    rows, by_image = [], {}
    for image in range(12):
        level = random.random()
        for target in ("mass", "nodule", "edema")[: 1 + image % 3]:
            value = level + 0.01 * random.random()
            by_image.setdefault(str(image), []).append(value)
            rows.append((f"{image}{SEPARATOR}{target}", "cam", "iou", value, ""))
    whole = Scores.from_rows(rows).with_targets().summary(seed=7)[0]
    counts = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), size=2000)
    means = [np.mean(np.concatenate([by_image[str(k)] * n for k, n in enumerate(count)])) for count in counts]
    assert (whole.target, whole.n) == ("", len(rows))
    assert [whole.low, whole.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-12)
    apart = mean_interval([row[3] for row in rows], seed=7)
    assert whole.high - whole.low > 1.2 * (apart[1] - apart[0])


def test_an_image_that_is_scored_twice_is_refused():
    """Two files of one name: the table would take the last value, and the summary count both."""
    rows = [("a", "cam", "iou", 0.1, ""), ("b", "cam", "iou", 0.5, ""), ("a", "cam", "iou", 0.9, "")]
    scores = Scores.from_rows(rows)
    for use in (lambda: scores.matrix("iou"), scores.summary, lambda: of_table(_of_one_model(scores))):
        with pytest.raises(InputError, match=r"two rows of a, cam and iou|several rows of one image and method by iou"):
            use()
    findings = Scores.from_rows([(*row, finding) for row, finding in zip(rows, "xxy", strict=True)])
    assert findings.matrix("iou")[2].ravel().tolist() == [0.1, 0.5, 0.9]


def _of_one_model(scores):
    table = scores.to_arrow()
    return table.add_column(0, "model", pa.array(["m"] * table.num_rows))


def test_any_number_of_different_reasons_is_counted():
    """Reasons of one's own, one for each of more images than 16 bits count."""
    rows = [(str(i), "cam", "iou", np.nan, f"reason {i}") for i in range(40_000)]
    scores = Scores.from_rows(rows)
    for table in (scores, of_table(_of_one_model(scores))["m"]):
        codes, names = table.reasons("iou")
        assert len(names) == 40_001
        assert [names[code] for code in codes[[0, 32_766, 32_767, 32_768, 39_999], 0]] == [
            f"reason {i}" for i in (0, 32_766, 32_767, 32_768, 39_999)
        ]
