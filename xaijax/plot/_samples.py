"""Images of a data set: several of each class, without and with the outlines of their masks."""

from typing import TYPE_CHECKING

import numpy as np

from xaijax.plot._style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xaijax.data import Dataset

# Okabe-Ito colours: clear on grey levels, and for every kind of colour vision. Orange for masks of unknown role too.
OUTLINE = "#E69F00"
OUTLINES = {"lesion": OUTLINE, "organ": "#009E73", "artefact": "#56B4E9"}


def samples(dataset: "Dataset", *, columns: int = 6, rows: int = 1, seed: int = 0) -> "Figure":
    """Some images of each class, each shown twice: without and with the outlines of its elements.

    Lesions are outlined in orange, organs in green, artefacts in blue.

    Args:
        dataset: from `data.open_dataset`.
        columns: images in a row.
        rows: rows of images per class.
        seed: of the choice of images.

    Returns:
        A black figure, 1.5 inches wide per column.

    Example:
        >>> from xaijax.data import open_dataset
        >>> figure = samples(open_dataset("phantoms", count=9, size=32), columns=3)
        >>> figure.get_size_inches().tolist()
        [4.5, 9.72]
    """
    labels = dataset.labels
    rng = np.random.default_rng(seed)
    picked = []
    for label, name in enumerate(dataset.classes):
        members = np.flatnonzero(labels == label)
        if members.size:
            chosen = np.sort(rng.permutation(members)[: columns * rows])
            picked.append((name, dataset.read(chosen)))
    outlined = " and ".join(dataset.roles) or "mask"
    inch, head = 1.5, 0.24
    heights = [part for _ in picked for part in (head, *[inch] * (2 * rows))]
    figure = new_figure(inch * columns, sum(heights), layout=None)
    figure.set_facecolor("black")
    grid = figure.add_gridspec(
        len(heights), columns, height_ratios=heights, left=0, right=1, bottom=0, top=1, wspace=0.01, hspace=0.01
    )
    for part, (name, batch) in enumerate(picked):
        top = part * (2 * rows + 1)
        title = figure.add_subplot(grid[top, :])
        title.set_axis_off()
        title.text(0.006, 0.4, name, color="white", fontsize=11, weight="bold", va="center")
        title.text(0.994, 0.4, f"below: {outlined} outlined", color=OUTLINE, fontsize=8, va="center", ha="right")
        for at in range(len(batch)):
            row, column = top + 1 + 2 * (at // columns), at % columns
            image = batch.images[at]
            for offset in (0, 1):
                axes = figure.add_subplot(grid[row + offset, column])
                axes.set_axis_off()
                axes.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
                for element in batch.elements[at] if offset else ():
                    if element.mask.any() and not element.mask.all():
                        colour = OUTLINES.get(element.role or "", OUTLINE)
                        axes.contour(element.mask, [0.5], colors=colour, linewidths=1.0)
    return figure
