"""A picture of a data set: several cases per class with their mask outlines.

python -m xaijax.data.gallery --out docs/images/phantoms.png
"""

import argparse
from pathlib import Path

import numpy as np

from xaijax.data.dataset import Dataset
from xaijax.data.opening import open_dataset

# Okabe-Ito orange: clear on grey levels, and for every kind of colour vision.
OUTLINE = "#E69F00"


def draw(dataset: Dataset, out: str | Path, *, columns: int = 6, rows: int = 1, seed: int = 0, dpi: int = 100) -> Path:
    """Write a picture of some cases of each class; each case is shown twice, without and with the mask's outline.

    Args:
        dataset: what to show.
        out: file to write; its suffix says the format.
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
    role = dataset.mask_role or "mask"
    figure = Figure(figsize=(1.5 * columns, sum(1.5 * 2 * rows + 0.3 for _ in picked)), facecolor="black")
    axes = figure.subplots(2 * rows * len(picked), columns, squeeze=False)
    figure.subplots_adjust(left=0.002, right=0.998, bottom=0.002, top=0.972, wspace=0.01, hspace=0.01)
    for axis in axes.flat:
        axis.set_axis_off()
    for part, (name, batch) in enumerate(picked):
        for at in range(len(batch)):
            row, column = 2 * rows * part + 2 * (at // columns), at % columns
            image = batch.images[at]
            for axis in (axes[row, column], axes[row + 1, column]):
                axis.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
            if batch.masks[at].any():
                axes[row + 1, column].contour(batch.masks[at], [0.5], colors=OUTLINE, linewidths=1.0)
        axes[2 * rows * part, 0].text(
            0.02, 0.97, f"{name} ({role} outlined below)", transform=axes[2 * rows * part, 0].transAxes, color="white",
            fontsize=8, va="top",
        )  # fmt: skip
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=dpi, facecolor="black")
    return out


def main(arguments: list[str] | None = None) -> None:
    """Command line: open a source and write its gallery."""
    parser = argparse.ArgumentParser(prog="python -m xaijax.data.gallery", description=main.__doc__)
    parser.add_argument("--data", default="phantoms", help="folder or phantoms[:modality]")
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument("--columns", type=int, default=6, help="cases beside each other")
    parser.add_argument("--size", type=int, default=None, help="side in pixels, phantoms only")
    parser.add_argument("--seed", type=int, default=0, help="which cases")
    options = parser.parse_args(arguments)
    size = options.size or (192 if options.data.partition(":")[0] == "phantoms" else None)
    print(draw(open_dataset(options.data, size=size), options.out, columns=options.columns, seed=options.seed))


if __name__ == "__main__":
    main()
