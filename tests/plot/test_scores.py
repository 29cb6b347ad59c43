"""Figures from scores: the same numbers as the scores, one line per method."""

import numpy as np
import pytest

from xaijax import plot
from xaijax.metrics._curves import Curves, Responses
from xaijax.metrics.pic_curve import area, read_curve
from xaijax.metrics.scores import Scores
from xaijax.metrics.statistics import mean_interval
from xaijax.plot._statistics import summary_of_models

IMAGES = tuple("abcdef")
METHODS = ("grad_cam", "random")
RNG = np.random.default_rng(0)


def information_rows():
    for image in IMAGES:
        for method in METHODS:
            for draw in range(2):
                x, y = (np.r_[0, np.sort(RNG.random(5)), 1] for _ in range(2))
                yield image, method, "sic_webp", draw, float(area(read_curve(x, y))), x, y, x[1:-1], y[1:-1]


def response_rows():
    share = np.linspace(0, 1, 9)
    for image in IMAGES:
        for method in METHODS:
            values = RNG.random(9)
            yield image, method, "deletion_blur", float(values.mean()), share, values


@pytest.fixture(scope="module")
def scores():
    curves, responses = list(information_rows()), list(response_rows())
    rows = []
    for image in IMAGES:
        for method in METHODS:
            areas = [row[4] for row in curves if row[:2] == (image, method)]
            answer = [row[3] for row in responses if row[:2] == (image, method)]
            empty = image == "a"
            rows += [(image, method, "sic_webp", np.mean(areas), ""), (image, method, "deletion_blur", answer[0], "")]
            rows.append((image, method, "iou", np.nan if empty else 0.5, "empty_mask" if empty else ""))
    return Scores.from_rows(rows, Curves.from_rows(curves), Responses.from_rows(responses))


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("metric", ["sic_webp", "deletion_blur", "SIC WebP"])
def test_the_legend_has_the_mean_score_of_each_method(scores, metric):
    figure = plot.curves(scores, metric=metric)
    name = "sic_webp" if "i" in metric[:2].lower() else metric
    _, methods, values = scores.matrix(name)
    assert legend(figure) == [
        f"{m.replace('_', ' ')}  {v:.3f}" for m, v in zip(methods, values.mean(axis=0), strict=True)
    ]
    axes = figure.axes[0]
    assert (
        axes.get_title("left")
        == {"sic_webp": "SIC (webp) ↑, 6 images", "deletion_blur": "deletion blur ↓, 6 images"}[name]
    )
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert len(axes.containers) == 2  # bars of the interval


def test_a_metric_of_the_users_own_has_its_name_as_title():
    share = np.linspace(0, 1, 5)
    figure = plot.curves(Responses.from_rows([("a", "cam", "my_metric", 0.5, share, share)]))
    assert figure.axes[0].get_title("left") == "my metric, 1 image"
    assert figure.axes[0].get_xlabel() == ""


def test_a_table_of_one_metric_needs_no_name(scores):
    assert legend(plot.curves(scores.responses)) == legend(plot.curves(scores, metric="deletion_blur"))
    assert legend(plot.curves(scores.curves)) == legend(plot.curves(scores, metric="sic_webp"))
    with pytest.raises(ValueError, match=r"several metrics; say metric=, one of sic_webp, deletion_blur"):
        plot.curves(scores)
    with pytest.raises(ValueError, match="unknown metric 'sic_web'"):
        plot.curves(scores, metric="sic_web")
    with pytest.raises(ValueError, match="the scores hold no curves"):
        plot.curves(Scores())


def test_means_and_intervals_of_scores(scores):
    figure = plot.summary(scores, metric="deletion_blur")
    axes = figure.axes[0]
    _, methods, values = scores.matrix("deletion_blur")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["grad cam", "random"]
    dots = [line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == "None"]
    np.testing.assert_allclose(dots, values.mean(axis=0))
    bars = [line.get_xdata() for line in axes.get_lines() if line.get_linestyle() != "None"]
    np.testing.assert_allclose(bars, [mean_interval(values[:, k]) for k in range(len(methods))])
    assert plot.summary(scores, metric="IoU").axes[0].get_title("left") == "IoU ↑, 5 images"
    with pytest.raises(ValueError, match=r"the scores hold 3 metrics; say metric="):
        plot.summary(scores)
    with pytest.raises(ValueError, match="no means to draw"):
        plot.summary({})


def test_arrays_make_curves():
    position = np.linspace(0, 1, 21)
    many = np.stack([position**power for power in (1, 2, 3)])
    figure = plot.curves({"cam": (position, many), "sobel": (position, position)}, title="t")
    assert legend(figure) == [f"cam  {np.trapezoid(many, position, axis=1).mean():.3f}", "sobel  0.500"]
    assert len(figure.axes[0].containers) == 1  # one curve alone has no interval
    np.testing.assert_allclose(figure.axes[0].get_lines()[0].get_ydata(), many.mean(axis=0))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, "there are no curves to draw"),
        ({"cam": 3}, r"the curve of cam must be \(positions, values\) or a MeanCurve; got 3"),
        ({"cam": ([0, 1], [1, 2, 3])}, r"positions \[P\] and values \[P\] or \[N, P\]; got \(2,\) and \(3,\)"),
        ({"cam": ([0, 100], [1, 0])}, r"the positions of cam must ascend in \[0, 1\]; scale them"),
        ({"cam": ([1, 0], [1, 0])}, "must ascend"),
        ([1, 2], "curves are drawn from a mapping by method or from Scores; got list"),
    ],
)
def test_bad_curves_in_one_sentence(found, message):
    with pytest.raises(ValueError, match=message):
        plot.curves(found)


def test_models_side_by_side():
    found = {"first": {"cam": (0.5, 0.4, 0.6), "random": (0.1, np.nan, np.nan)}, "second": {"cam": (0.7, 0.6, 0.8)}}
    figure = summary_of_models(found, title="IoU")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["cam", "random"]
    assert legend(figure) == ["first", "second"]
    with pytest.raises(ValueError, match="no means to draw"):
        summary_of_models({"first": {}})
