"""Curves of perturbation and of randomised layers: means and intervals in closed form, words for every metric."""

import numpy as np
import pytest

from xaijax import plot
from xaijax.metrics import FAMILIES
from xaijax.metrics.statistics import mean_interval
from xaijax.plot import _curves


def test_the_mean_line_of_two_images_in_closed_form():
    line = plot.mean_curve([[0.0, 0.5, 1.0]] * 2, [[1.0, 0.0, 0.5], [1.0, 1.0, 0.5]], [0.25, 0.75])
    assert line.position.tolist() == [0.0, 0.5, 1.0]
    assert line.mean.tolist() == [1.0, 0.5, 0.5]
    # Two images are drawn as (0, 0), (0, 1) or (1, 1): the interval is as wide as they are apart.
    assert line.low.tolist() == [1.0, 0.0, 0.5]
    assert line.high.tolist() == [1.0, 1.0, 0.5]
    assert (line.images, line.score) == (2, 0.5)


def test_curves_of_other_positions_are_read_where_all_of_them_are():
    line = plot.mean_curve([[0.1, 0.5], [0.0, 0.4], [0.0, 1.0]], [[0.1, 0.5], [0.0, 0.4], [0.0, 1.0]], [0, 0, 0])
    assert (line.position[0], line.position[-1], len(line.position)) == (0.1, 0.4, _curves.POSITIONS)
    np.testing.assert_allclose(line.mean, line.position, atol=1e-12)  # all three are the same straight line
    np.testing.assert_allclose(line.low, line.position, atol=1e-12)


def test_the_interval_is_that_of_scipys_bootstrap():
    values = np.random.default_rng(0).random((20, 3))
    line = plot.mean_curve([[0.0, 0.5, 1.0]] * 20, values, values.mean(axis=1))
    for place in range(3):
        low, high = mean_interval(values[:, place])
        assert abs(line.low[place] - low) < 0.02  # both are draws; the interval is 0.25 wide
        assert abs(line.high[place] - high) < 0.02


def test_one_image_has_no_interval():
    line = plot.mean_curve([[0.0, 1.0]], [[1.0, 0.0]], [0.5])
    assert np.isnan([*line.low, *line.high]).all()
    figure = plot.curves({"m": line}, title="t")
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "metric", [m.name for f in ("perturbation", "sanity") for m in FAMILIES[f].metrics if "logit" not in m.name]
)
def test_the_axes_of_every_metric_with_curves_have_words(metric):
    across, up = _curves._axes(metric)
    assert ("shown" in across) == metric.startswith("insertion")
    assert ("layers" in across) == metric.startswith(("mprt", "smprt"))
    assert ("predicted" in up) == metric.startswith("road_accuracy")


def test_the_figure_has_a_line_and_bars_for_every_method(tmp_path):
    position = np.linspace(0, 1, 33)
    rng = np.random.default_rng(0)
    found = {
        method: plot.mean_curve([position] * 5, rng.random((5, 33)), rng.random(5))
        for method in ("grad_cam", "gradient", "random", "oracle")
    }
    drawn = plot.curves(found, title="insertion blur", x_label=_curves._axes("insertion_blur")[0])
    axes = drawn.axes[0]
    assert len(axes.containers) == 4
    places = [bars.get_segments()[0][0, 0] for container in axes.containers for bars in container[2]]
    assert len(set(places)) == 4  # the bars of two methods do not stand on each other
    assert axes.get_xlabel() == "share of the pixels shown, largest first"
    texts = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert texts == [f"{name.replace('_', ' ')}  {line.score:.3f}" for name, line in found.items()]
    # A curve that ends early has an axis that ends with it.
    short = plot.mean_curve([position * 0.4] * 2, rng.random((2, 33)), [0, 0])
    assert plot.curves({"m": short}, title="t").axes[0].get_xlim()[1] < 0.42
