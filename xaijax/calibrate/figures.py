"""The figure of a calibration: one row per metric, understood without knowing how metrics are tested."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xaijax.calibrate.verdicts import VERDICTS, by_verdict, headline, knows_nothing, short_reason
from xaijax.plot._style import GREY, INK, SETTINGS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, 2008: told apart by colour-blind readers; shape and mark say the same without colour.
COLOURS = {
    "believe": "#0072B2",
    "same_kind": "#56B4E9",
    "undecided": "#E69F00",
    "no": "#D55E00",
    "not_judged": GREY,
    "no_verdict": GREY,
}
MARKERS = {"believe": "o", "same_kind": "D", "undecided": "s", "no": "X", "not_judged": "v", "no_verdict": "v"}
LEFT = 0.3  # where the axis of the concordance starts
HEAD, FOOT = 1.45, 0.62  # inches above and below the rows
TEST = (
    "Tested on images in which the pixels that decide the model's answer are known. The truth is a map of exactly\n"
    "these pixels, noise a map that has nothing to do with them, and the truer of two maps has less noise mixed in.\n"
    "A good metric prefers the truer map, whatever the noise looks like."
)


def calibration(found: Mapping[str, Any], titles: Mapping[str, str]) -> "Figure":
    """Concordance and random dominance of every metric, grouped by verdict.

    Args:
        found: the values of `calibration.json`.
        titles: metric -> how it is called in the figure.

    Returns:
        A figure 10 inches wide.
    """
    import matplotlib

    metrics, thresholds = found["metrics"], found["thresholds"]
    groups = by_verdict(metrics)
    rows = len(metrics) + sum(1.35 for _ in groups)
    with matplotlib.rc_context(SETTINGS):
        height = 0.27 * rows
        inches = height + HEAD + FOOT
        figure = new_figure(10, inches, layout="none")
        bottom, top = FOOT / inches, 1 - HEAD / inches
        box: dict[str, Any] = {"bottom": bottom, "top": top}
        left, right = figure.subplots(
            1,
            2,
            sharey=True,
            gridspec_kw={"left": 0.2, "right": 0.675, "wspace": 0.06, "width_ratios": (1.2, 1), **box},
        )
        left.set(xlim=(LEFT, 1.02), ylim=(rows - 0.3, -0.7), yticks=[])
        right.set(xlim=(-0.02, 1.03))
        _references(left, right, thresholds, knows_nothing(len(found["textures"])))
        line = 0.0
        for verdict, names in groups.items():
            colour = COLOURS[verdict]
            word = VERDICTS[verdict]
            place = _height(line, rows, bottom, top)
            plain: dict[str, Any] = {"facecolor": "white", "linewidth": 0, "pad": 1}
            bold: dict[str, Any] = {"fontweight": "bold", "va": "center", "size": 9.5}
            figure.text(0.012, place, word.mark, color=colour, **bold | {"size": 12})
            figure.text(0.03, place, f"{word.title.upper()} ({len(names)})", color=INK, **bold | {"bbox": plain})
            _band(figure, colour, place, _height(line + len(names) + 0.55, rows, bottom, top), (top - bottom) / rows)
            line += 1.0
            for name in names:
                place = _height(line, rows, bottom, top)
                _row(left, right, metrics[name], verdict, line)
                figure.text(0.19, place, titles.get(name, name), ha="right", va="center", color=INK)
                text = short_reason(metrics[name], thresholds)
                figure.text(0.735, place, _folded(text), va="center", color=INK, size=8)
                line += 1.0
            line += 0.35
        _words(figure, found, inches)
    return figure


def _band(figure: "Figure", colour: str, first: float, last: float, row: float) -> None:
    """A bar in the colour of a verdict along the rows that have it."""
    from matplotlib.patches import Rectangle

    size = first - last + 0.5 * row
    figure.add_artist(Rectangle((0.0015, last), 0.0045, size, color=colour, linewidth=0, transform=figure.transFigure))


def _height(line: float, rows: float, bottom: float, top: float) -> float:
    """The height of a row in the figure, 0 to 1."""
    share = (line + 0.7) / (rows - 0.3 + 0.7)
    return top - share * (top - bottom)


def _row(left: "Axes", right: "Axes", judgement: Mapping[str, Any], verdict: str, line: float) -> None:
    """One metric: a point with its interval on the left, a bar on the right."""
    colour, c = COLOURS[verdict], judgement.get("concordance")
    if c is None:
        left.text(LEFT + 0.015, line, "no value", va="center", color=GREY, size=8)
        return
    low, high = judgement["interval"]
    if low is not None and high is not None:
        left.plot([max(low, LEFT), high], [line, line], color=colour, linewidth=3, alpha=0.45, solid_capstyle="butt")
    left.plot(max(c, LEFT), line, marker=MARKERS[verdict], color=colour, markersize=7, markeredgecolor="white")
    dominance = judgement.get("random_dominance")
    if dominance is None:
        return
    right.barh(line, dominance, height=0.56, color=colour, alpha=0.85)
    low, high = judgement["random_dominance_interval"]
    if low is not None and high is not None:
        right.plot([low, high], [line, line], color=INK, linewidth=1.1)
    label = f"{dominance:.0%}".replace("%", " %")
    right.text(1.19, line, label, ha="right", va="center", size=8, clip_on=False)


def _references(left: "Axes", right: "Axes", thresholds: Mapping[str, float], nothing: float) -> None:
    """What the numbers are compared with: guessing, and the thresholds."""
    left.axvspan(thresholds["concordance"], 1.02, color=COLOURS["believe"], alpha=0.07, linewidth=0)
    right.axvspan(-0.02, thresholds["random_dominance"], color=COLOURS["believe"], alpha=0.09, linewidth=0)
    above: dict[str, Any] = {"ha": "center", "va": "bottom", "size": 8}
    for axes, guess, needed, words in (
        (left, 0.5, thresholds["concordance"], f"needed: {thresholds['concordance']:g} →"),
        (right, nothing, thresholds["random_dominance"], ""),
    ):
        axes.axvline(guess, color=INK, linewidth=1.1, linestyle=(0, (2, 2)))
        axes.axvline(needed, color=COLOURS["believe"], linewidth=1.1)
        transform = axes.get_xaxis_transform()
        axes.text(guess, 1.005, "knows nothing", transform=transform, **above)
        text = words or "← allowed"
        axes.text(
            needed, 1.005, text, transform=transform, color=COLOURS["believe"], **above | {"ha": "left", "size": 8}
        )
    left.set_xticks([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    for axes in (left, right):
        axes.tick_params(labelsize=8)
    right.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    small: dict[str, Any] = {"size": 8}
    left.set_xlabel("concordance: share of pairs of maps that it\norders right, with 95 % interval", **small)
    right.set_xlabel("random dominance: share of images\nin which a noise map scores at least as well", **small)
    for axes in (left, right):
        axes.tick_params(length=2)
        axes.spines["left"].set_visible(False)


def _words(figure: "Figure", found: Mapping[str, Any], inches: float) -> None:
    """The heading, and over each panel the question that it answers."""
    figure.text(0.012, 1 - 0.12 / inches, headline(found), va="top", fontweight="bold", size=13, color=INK)
    below: dict[str, Any] = {"va": "top", "size": 9.5, "color": INK, "fontweight": "bold"}
    figure.text(0.012, 1 - 0.42 / inches, TEST, va="top", size=8.5, color=INK)
    top = 1 - 1.05 / inches
    figure.text(0.2, top, "Does it rank the truer map higher?", **below)
    figure.text(0.48, top, "Does noise beat the truth?", **below)
    figure.text(0.735, top, "In words", **below)


def _folded(text: str, width: int = 44) -> str:
    """A text in at most two lines."""
    import textwrap

    lines = textwrap.wrap(text, width)
    return (
        "\n".join([*lines[:1], textwrap.shorten(" ".join(lines[1:]), width, placeholder=" ...")]) if lines[1:] else text
    )
