"""The table of scores: round trips through Arrow, pivots, and what is refused."""

import numpy as np
import pytest

from xaijax.metrics import METRICS, REASONS, Curves, Scores
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
        assert metric.family in ("information", "localization")
        assert metric.summary
        assert metric.reference
        assert metric.needs <= {"model", "mask"}
    assert not METRICS["centroid_distance"].higher_is_better
    assert all(sentence for sentence in REASONS.values())


def test_names_are_resolved_once_and_unknown_ones_named():
    assert [metric.name for metric in resolve(["iou", "dice", "iou"])] == ["iou", "dice"]
    with pytest.raises(ValueError, match=r"unknown metric 'iuo'; known are aic_shannon"):
        resolve(["iou", "iuo"])
    with pytest.raises(ValueError, match=r'pass \["iou"\]'):
        resolve("iou")
    with pytest.raises(ValueError, match="at least one"):
        resolve([])
