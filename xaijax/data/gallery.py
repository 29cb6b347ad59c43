"""A picture of a data set: several cases per class with their mask outlines.

python -m xaijax.data.gallery --out docs/images/phantoms.png
python -m xaijax.data.gallery --data phantoms:dermoscopy --cues ruler:naevus hairs:melanoma --out cues.png
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from xaijax.data.dataset import Dataset
from xaijax.data.opening import open_dataset

# Okabe-Ito colours: clear on grey levels, and for every kind of colour vision. Orange for masks of unknown role too.
OUTLINE = "#E69F00"
OUTLINES = {"lesion": OUTLINE, "organ": "#009E73", "artefact": "#56B4E9"}


def draw(dataset: Dataset, out: str | Path, *, columns: int = 6, rows: int = 1, seed: int = 0, dpi: int = 100) -> Path:
    """Write a picture of some cases of each class; each case is shown twice, without and with the outlines
    of its elements: lesions orange, organs green, artefacts blue.

    Args:
        dataset: what to show.
        out: PNG file to write.
        columns: cases beside each other.
        rows: rows of cases per class.
        seed: which cases.
        dpi: dots per inch; a case is 1.5 inches wide.

    Returns:
        The path written.
    """
    from matplotlib.figure import Figure

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
    figure = Figure(figsize=(inch * columns, sum(heights)), facecolor="black")
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
                axis = figure.add_subplot(grid[row + offset, column])
                axis.set_axis_off()
                axis.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
                for element in batch.elements[at] if offset else ():
                    if element.mask.any() and not element.mask.all():
                        colour = OUTLINES.get(element.role or "", OUTLINE)
                        axis.contour(element.mask, [0.5], colors=colour, linewidths=1.0)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi, facecolor="black", format="png")
    colours = any((batch.images != batch.images[..., :1]).any() for _, batch in picked)
    with Image.open(buffer) as opened:
        picture = opened.convert("RGB")
        small = (
            picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
            if colours
            else picture.quantize(palette=_palette(), dither=Image.Dither.NONE)
        )
        small.save(out, optimize=True)
    return out


def _palette() -> Image.Image:
    """48 grey levels, and each outline's colour over 16 of them in three strengths: a third of the bytes of RGB."""
    grey = np.linspace(0, 255, 48)[:, None].repeat(3, axis=1)
    colours = [np.array([int(name[at : at + 2], 16) for at in (1, 3, 5)]) for name in OUTLINES.values()]
    mixed = [(1 - share) * grey[1::3] + share * colour for colour in colours for share in (0.35, 0.7, 1.0)]
    entries = np.rint(np.concatenate([grey, *mixed])).astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(entries.tobytes())
    return palette


def main(arguments: list[str] | None = None) -> None:
    """Command line: open a source and write its gallery."""
    parser = argparse.ArgumentParser(prog="python -m xaijax.data.gallery", description=main.__doc__)
    parser.add_argument("--data", default="phantoms", help="folder or phantoms[:modality]")
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument("--columns", type=int, default=6, help="cases beside each other")
    parser.add_argument("--size", type=int, default=None, help="side in pixels, phantoms only")
    parser.add_argument("--seed", type=int, default=0, help="which cases")
    parser.add_argument("--lesions", type=int, default=None, help="in each image, phantoms only")
    parser.add_argument("--cues", nargs="+", default=(), help="plant these, such as text or ruler:glioma")
    parser.add_argument("--correlation", type=float, default=None, help="of the cues with the class")
    options = parser.parse_args(arguments)
    size = options.size or (192 if options.data.partition(":")[0] == "phantoms" else None)
    dataset = open_dataset(
        options.data, size=size, lesions=options.lesions, cues=options.cues, correlation=options.correlation
    )
    print(draw(dataset, options.out, columns=options.columns, seed=options.seed))


if __name__ == "__main__":
    main()
