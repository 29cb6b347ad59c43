"""Mean curves over images, one line per method: information curves, perturbation curves, randomised layers.

Each line is the mean over images of one method. Its bars are 95 % bootstrap intervals of the mean, drawn at a few
positions, other ones for each method: the bands of eight methods would hide each other.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._style import SETTINGS, in_order, metric_title, new_figure, styles, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POSITIONS = 101
DRAWS = 1000
LEVEL = 0.95
BARS = 6  # of each line
FEW = 16  # up to so many points get a marker each


@dataclasses.dataclass(frozen=True)
class MeanCurve:
    """The mean curve of one method.

    Attributes:
        position: `[P]`, ascending in [0, 1]: share of the information, of the pixels or of the layers.
        mean: `[P]`, over images.
        low, high: `[P]`, bounds of the interval; NaN with fewer than two images; None draws no interval.
        images: number of images.
        score: mean of the metric's own values, for the legend.

    Example:
        >>> import numpy as np
        >>> MeanCurve(np.array([0.0, 1.0]), np.array([1.0, 0.5]), None, None, images=1, score=0.75)
        MeanCurve(2 positions, 1 images, score 0.750)
    """

    position: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    images: int
    score: float

    def __repr__(self) -> str:
        return f"MeanCurve({len(self.position)} positions, {self.images} images, score {self.score:.3f})"


def mean_curve(fractions: Sequence[Any], values: Any, areas: Any, *, seed: int = 0) -> MeanCurve:
    """Mean of the curves of several images, with a bootstrap interval at each position.

    Args:
        fractions: one array of ascending positions per image. Equal positions are kept; otherwise curves are read by
            linear interpolation at equal steps from the last start to the first end, so that each position counts all
            images.
        values: as many arrays of the same lengths.
        areas: the metric of each image.
        seed: of the bootstrap.

    Returns:
        A `MeanCurve`.

    Example:
        >>> line = mean_curve([[0.0, 1.0], [0.0, 0.5, 1.0]], [[1.0, 0.0], [1.0, 1.0, 0.0]], [0.5, 0.75])
        >>> line.mean[[0, 50, 100]].tolist(), line.score
        ([1.0, 0.75, 0.0], 0.625)
    """
    places = [np.asarray(points, np.float64) for points in fractions]
    heights = [np.asarray(points, np.float64) for points in values]
    if all(np.array_equal(points, places[0]) for points in places):
        position, read = places[0], np.stack(heights)
    else:
        start, end = max(points[0] for points in places), min(points[-1] for points in places)
        position = np.linspace(start, max(start, end), POSITIONS)
        read = np.stack([np.interp(position, x, y) for x, y in zip(places, heights, strict=True)])
    count = len(read)
    low = high = np.full(len(position), np.nan)
    if count > 1:
        # How often each image is drawn: the same draws at every position and for every method of these images.
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=DRAWS)
        low, high = np.quantile(drawn @ read / count, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return MeanCurve(position, read.mean(axis=0), low, high, count, float(np.mean(areas)))


def curves(found: Any, *, metric: str | None = None, title: str = "", x_label: str = "", y_label: str = "") -> "Figure":
    """Mean curves of one metric, one line and its intervals per method, with the mean score in the legend.

    Args:
        found: one of

            * `{method: (position [P], values [P] or [N, P])}`: arrays, positions ascending in [0, 1]. The score in the
              legend is the area by the trapezoid rule, intervals are over the N rows.
            * `{method: MeanCurve}`.
            * `metrics.Scores`, or its `curves` or `responses`: then `metric` says which curves.
        metric: name of the metric to draw from `Scores`; not needed where they hold curves of one alone.
        title: above the figure; default: the metric and the number of images where `found` is `Scores`.
        x_label: of the x axis; default: that of the metric where `found` is `Scores`.
        y_label: of the y axis; default: that of the metric where `found` is `Scores`.

    Returns:
        A figure 4.2 inches wide.

    Raises:
        ValueError: for no curves, arrays of other shapes, positions outside [0, 1], or an unknown metric.

    Example:
        >>> import numpy as np
        >>> position = np.linspace(0, 1, 11)
        >>> figure = curves({"grad_cam": (position, position**2), "random": (position, np.stack([position] * 5))})
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['grad cam  0.335', 'random  0.500']
    """
    import matplotlib

    if not isinstance(found, Mapping):
        found, around = _from_scores(found, metric)
        title, x_label, y_label = title or around[0], x_label or around[1], y_label or around[2]
    lines = {method: _as_curve(method, line) for method, line in found.items()}
    if not lines:
        raise ValueError("there are no curves to draw; give at least one method")
    methods = in_order(list(lines))
    looks = styles(methods)
    end = max(line.position[-1] for line in lines.values())
    marked = all(len(line.position) <= FEW for line in lines.values())
    with matplotlib.rc_context(SETTINGS):
        # The legend stands below the plot, where it hides no curve.
        drawn = new_figure(4.2, 3.5 + 0.2 * x_label.count("\n") + 0.17 * ((len(methods) + 1) // 2))
        axes = drawn.subplots()
        bottom = 0.0
        for number, method in enumerate(methods):
            line, look = lines[method], looks[method]
            options: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "linewidth": look.width}
            if marked:
                options |= {"marker": look.marker, "markersize": 3.6}
            label = f"{words(method)}  {line.score:.3f}"
            axes.plot(line.position, line.mean, label=label, zorder=3 if look.front else 2, **options)
            bottom = min(bottom, float(line.mean.min()))
            if line.low is None or line.high is None:
                continue
            places = _places(line.position, number / len(methods), whole=marked)
            middle, low, high = (np.interp(places, line.position, v) for v in (line.mean, line.low, line.high))
            spread = np.maximum([middle - low, high - middle], 0.0)  # an interval need not hold its own mean
            bars: dict[str, Any] = {"ecolor": look.color, "elinewidth": 1.1, "capsize": 2.0, "alpha": 0.75}
            axes.errorbar(places, middle, yerr=spread, fmt="none", **bars)
            bottom = min([bottom, *low[np.isfinite(low)]])
        axes.set(xlim=(0, 1 if end > 0.85 else 1.02 * end), ylim=(bottom - 0.02, 1.02))
        axes.set(xlabel=x_label, ylabel=y_label, title=title)
        axes.grid(True)
        handles, labels = axes.get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=2.6, columnspacing=1.2)
    return drawn


def _as_curve(method: str, line: Any) -> MeanCurve:
    if isinstance(line, MeanCurve):
        return line
    try:
        position, values = (np.asarray(part, np.float64) for part in line)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the curve of {method} must be (positions, values) or a MeanCurve; got {line!r}") from error
    if position.ndim != 1 or values.ndim not in (1, 2) or values.shape[-1:] != position.shape or not values.size:
        raise ValueError(
            f"the curve of {method} must have positions [P] and values [P] or [N, P]; got {position.shape} and "
            f"{values.shape}"
        )
    if position[0] < 0 or position[-1] > 1 or (np.diff(position) < 0).any():
        raise ValueError(f"the positions of {method} must ascend in [0, 1]; scale them")
    if values.ndim == 1:
        return MeanCurve(position, values, None, None, 1, float(np.trapezoid(values, position)))
    return mean_curve([position] * len(values), values, np.trapezoid(values, position, axis=1))


def _places(position: np.ndarray, shift: float, *, whole: bool) -> np.ndarray:
    """Where the bars of a line stand: at points of its own, or anywhere; `shift` in [0, 1) keeps lines apart."""
    if whole:
        step = max(1, len(position) // BARS)
        return position[int(shift * step) :: step]
    start, end = position[0], position[-1]
    return start + (np.arange(BARS) + 0.15 + 0.7 * shift) / BARS * (end - start)


def _from_scores(scores: Any, metric: str | None) -> tuple[dict[str, MeanCurve], tuple[str, str, str]]:
    """The mean curves of a metric in `Scores` or one of its tables, and the title and the labels of the axes."""
    from xaijax._names import match
    from xaijax.metrics._curves import Curves, Responses
    from xaijax.metrics.scores import Scores

    if isinstance(scores, Scores):
        tables: list[Curves | Responses] = [scores.curves, scores.responses]
    elif isinstance(scores, Curves | Responses):
        tables = [scores]
    else:
        raise ValueError(f"curves are drawn from a mapping by method or from Scores; got {type(scores).__name__}")
    known = list(dict.fromkeys(name for table in tables for name in table.metric))
    if not known:
        raise ValueError("the scores hold no curves; score a metric that has them (an information or perturbation one)")
    if metric is None and len(known) > 1:
        raise ValueError(f"the scores hold curves of several metrics; say metric=, one of {', '.join(known)}")
    name = match("metric", metric or known[0], known)
    table = next(table for table in tables if (table.metric == name).any()).select(metric=name)
    read = _read_information if isinstance(table, Curves) else _read_responses
    found = {method: read(table.select(method=method)) for method in dict.fromkeys(table.method)}
    count = max(line.images for line in found.values())
    return found, (f"{metric_title(name)}, {count} image{'s' if count != 1 else ''}", *_axes(name))


def _read_information(table: Any) -> MeanCurve:
    """First the mean over the random masks of an image, then over images, so that its area is the mean score."""
    from xaijax.metrics.pic_curve import area, positions, read_curve

    images: dict[str, list[np.ndarray]] = {}
    for image, x, y in zip(table.image, table.position, table.value, strict=True):
        images.setdefault(image, []).append(read_curve(x, y))
    means = [np.mean(draws, axis=0) for draws in images.values()]
    return mean_curve([positions()] * len(means), means, [float(area(mean)) for mean in means])


def _read_responses(table: Any) -> MeanCurve:
    kept = [row for row, points in enumerate(table.fraction) if len(points)]
    return mean_curve(table.fraction[kept], table.value[kept], table.area[kept])


def _axes(metric: str) -> tuple[str, str]:
    """The labels of the axes of a metric's curves; empty for a metric that the package does not have."""
    from xaijax.metrics import METRICS

    axes = METRICS[metric].axes if metric in METRICS else None
    if axes is None:
        return "", ""
    if axes.kind == "information":
        return f"{axes.x}\n(0 fully blurred, 1 original)", f"{axes.y}\n(0 blurred, 1 original)"
    return axes.x, axes.y
