"""Images as points in the plane, by several ways to get there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._style import PALETTE, SETTINGS, legend_text, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def planes(found: Mapping[str, Any], labels: Any, classes: Sequence[str], *, title: str = "") -> "Figure":
    """Points in several planes, coloured by class: pixels and features by PCA, t-SNE, UMAP.

    Args:
        found: `{name: [N, 2]}`; the axes have no unit.
        labels: `[N]` int.
        classes: K names.
        title: above the figure.

    Returns:
        A figure with two planes to a row.

    Raises:
        ValueError: for no plane, or one of another number of points.

    Example:
        >>> figure = planes({"PCA of the pixels": [[0, 0], [1, 1]]}, [0, 1], ["a", "b"])
        >>> [axes.get_title("left") for axes in figure.axes]
        ['PCA of the pixels']
    """
    import matplotlib

    labels = np.asarray(labels)
    shapes = {name: np.asarray(points).shape for name, points in found.items()}
    if not found or set(shapes.values()) != {(len(labels), 2)}:
        raise ValueError(f"every plane must have [{len(labels)}, 2] coordinates; got {shapes}")
    columns = min(2, len(found))
    lines = -(-len(found) // columns)
    spread = matplotlib.colormaps["turbo"](np.linspace(0, 1, len(classes)))
    colors: Any = PALETTE if len(classes) <= len(PALETTE) else spread
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(3.6 * columns, 3.0 * lines + 0.6)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        grid = figure.subplots(lines, columns, squeeze=False).reshape(-1)
        for axes, (name, points) in zip(grid, found.items(), strict=False):
            points = np.asarray(points)
            for place, label in enumerate(classes):
                mine = points[labels == place]
                axes.scatter(mine[:, 0], mine[:, 1], s=14, alpha=0.8, color=[colors[place]], label=legend_text(label))
            axes.set(title=name, xticks=[], yticks=[])
        for axes in grid[len(found) :]:
            axes.set_visible(False)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(4, len(classes)))
    return figure
