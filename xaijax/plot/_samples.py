"""Images of a data set: several of each class, without and with the outlines of their masks."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax.plot._style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xaijax.data import Batch, Dataset

# Okabe-Ito colours: clear on grey levels, and for every kind of colour vision. Orange for masks of unknown role too.
OUTLINE = "#E69F00"
OUTLINES = {"lesion": OUTLINE, "organ": "#009E73", "artefact": "#56B4E9"}


def samples(
    dataset: "Dataset", *, columns: int = 6, rows: int = 1, seed: int = 0, max_classes: int | None = None
) -> "Figure":
    """Some images of each class, each shown twice: without and with the outlines of its elements.

    Lesions are outlined in orange, organs in green, artefacts in blue. Images that cannot be read are left out.

    Args:
        dataset: from `data.open_dataset`.
        columns: images in a row.
        rows: rows of images per class.
        seed: of the choice of images.
        max_classes: show the first classes alone; default: all.

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
    picked: list[tuple[str, list[Batch]]] = []
    for label, name in enumerate(dataset.classes):
        if max_classes is not None and len(picked) == max_classes:
            break
        members = np.flatnonzero(labels[:, label] == 1 if dataset.multi_label else labels == label)
        shown = []
        for position in np.sort(rng.permutation(members)[: columns * rows]):
            try:  # one by one: they may have several sizes
                shown.append(dataset.read([position]))
            except ValueError:
                continue
        if shown:
            picked.append((name, shown))
    if not picked:
        raise InputError(f"no image of data set {dataset.name!r} can be read")
    outlined = " and ".join(dataset.roles) or "mask"
    inch, head = 1.5, 0.24
    # Images of a class without masks are shown once.
    repeats = [2 if any(batch.elements[0] for batch in shown) else 1 for _, shown in picked]
    heights = [part for repeat in repeats for part in (head, *[inch] * (repeat * rows))]
    figure = new_figure(inch * columns, sum(heights), layout=None)
    figure.set_facecolor("black")
    grid = figure.add_gridspec(
        len(heights), columns, height_ratios=heights, left=0, right=1, bottom=0, top=1, wspace=0.01, hspace=0.01
    )
    top = 0
    for (name, shown), repeat in zip(picked, repeats, strict=True):
        title = figure.add_subplot(grid[top, :])
        title.set_axis_off()
        title.text(0.006, 0.4, name, color="white", fontsize=11, weight="bold", va="center", parse_math=False)
        below = f"below: {outlined} outlined" if repeat == 2 else "no masks"
        title.text(0.994, 0.4, below, color=OUTLINE, fontsize=8, va="center", ha="right", parse_math=False)
        for at, batch in enumerate(shown):
            row, column = top + 1 + repeat * (at // columns), at % columns
            image = batch.images[0]
            for offset in range(repeat):
                axes = figure.add_subplot(grid[row + offset, column])
                axes.set_axis_off()
                axes.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
                for element in batch.elements[0] if offset else ():
                    if element.mask.any() and not element.mask.all():
                        colour = OUTLINES.get(element.role or "", OUTLINE)
                        axes.contour(element.mask, [0.5], colors=colour, linewidths=1.0)
        top += 1 + repeat * rows
    return figure


def write_samples(dataset: "Dataset", path: Path, **options: int | None) -> None:
    """Writes `samples` as a small PNG file.

    Args:
        dataset: from `data.open_dataset`.
        path: the file; its folder is made.
        options: of `samples`.

    Example:
        >>> import tempfile
        >>> from xaijax.data import open_dataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_samples(open_dataset("phantoms", count=6, size=32), Path(folder, "look.png"), columns=2)
        ...     Path(folder, "look.png").read_bytes()[1:4]
        b'PNG'
    """
    figure = samples(dataset, **options)  # type: ignore[arg-type]
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, facecolor="black", format="png")
    shown = (np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images)
    colour = any(pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any()) for pixels in shown)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(buffer) as opened:
        small = _small(opened.convert("RGB"), colour=colour)
    write_whole(path, lambda file: small.save(file, "PNG", optimize=True))


def _small(image: Image.Image, *, colour: bool) -> Image.Image:
    """The image with 256 colours: a third of the bytes of RGB."""
    if colour:
        return image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    # 48 grey levels, and each outline's colour over 16 of them in three strengths.
    grey = np.linspace(0, 255, 48)[:, None].repeat(3, axis=1)
    colours = [np.array([int(name[at : at + 2], 16) for at in (1, 3, 5)]) for name in OUTLINES.values()]
    mixed = [(1 - share) * grey[1::3] + share * colour for colour in colours for share in (0.35, 0.7, 1.0)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(np.concatenate([grey, *mixed])).astype(np.uint8).tobytes())
    return image.quantize(palette=palette, dither=Image.Dither.NONE)
