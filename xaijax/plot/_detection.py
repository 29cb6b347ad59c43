"""Free-response curves: how many lesions are found against false regions per image."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._style import SETTINGS, in_order, new_figure, styles, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 8.0
"""False regions per image up to which the curves are drawn."""


def froc(found: Mapping[str, Any], *, title: str = "") -> "Figure":
    """Free-response curves, one line per method.

    Args:
        found: `{method: (false regions per image [T], share of the lesions found [T])}`, in the order of falling
            thresholds.
        title: above the figure.

    Returns:
        A figure 4.2 inches wide; points with more than eight false regions per image are not drawn.

    Raises:
        ValueError: for no methods.

    Example:
        >>> figure = froc({"grad_cam": ([0.0, 1.0], [0.4, 0.8])}, title="lesions")
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['grad cam']
    """
    import matplotlib

    if not found:
        raise ValueError("there are no curves to draw; give at least one method")
    methods = in_order(list(found))
    looks = styles(methods)
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(4.2, 3.5 + 0.17 * ((len(methods) + 1) // 2))
        axes = figure.subplots()
        end = 1.0
        for method in methods:
            false, share = (np.asarray(one, np.float64) for one in found[method])
            look = looks[method]
            keep = false <= MOST
            end = max([end, *false[keep]])
            axes.plot(
                false[keep], share[keep], label=words(method), color=look.color, linestyle=look.dash,
                linewidth=look.width, marker=look.marker, markersize=3.6, zorder=3 if look.front else 2,
            )  # fmt: skip
        axes.set(xlim=(-0.02 * end, 1.02 * end), ylim=(-0.02, 1.02), title=title)
        axes.set(xlabel="false regions per image", ylabel="share of the lesions found")
        axes.grid(True)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=2.6, columnspacing=1.2)
    return figure
