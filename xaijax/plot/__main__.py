"""Images of a data set as a small PNG file: several of each class, with the outlines of their masks.

python -m xaijax.plot --out docs/images/phantoms.png
python -m xaijax.plot --data phantoms:dermoscopy --cues ruler:naevus hairs:melanoma --out cues.png
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from xaijax.data import open_dataset
from xaijax.plot._samples import OUTLINES, samples


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a PNG file with images of each class of a data set."""
    parser = argparse.ArgumentParser(prog="python -m xaijax.plot", description=main.__doc__)
    parser.add_argument("--data", default="phantoms", help="folder, or phantoms[:modality]")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--columns", type=int, default=6, help="images in a row")
    parser.add_argument("--size", type=int, default=None, help="side in pixels, phantoms only")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    parser.add_argument("--transpose", action="store_true", help="swap rows and columns of images and masks")
    parser.add_argument("--lesions", type=int, default=None, help="in each image, phantoms only")
    parser.add_argument("--cues", nargs="+", default=(), help="plant these, such as text or ruler:glioma")
    parser.add_argument("--correlation", type=float, default=None, help="of the cues with the class")
    options = parser.parse_args(arguments)
    size = options.size or (192 if options.data.partition(":")[0] == "phantoms" else None)
    dataset = open_dataset(
        options.data,
        size=size,
        transpose=options.transpose,
        lesions=options.lesions,
        cues=options.cues,
        correlation=options.correlation,
    )
    figure = samples(dataset, columns=options.columns, seed=options.seed)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, facecolor="black", format="png")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    some = dataset.read(range(min(8, len(dataset))), shape=(64, 64, 3)).images
    colour = bool((some != some[..., :1]).any())
    with Image.open(buffer) as opened:
        _small(opened.convert("RGB"), colour=colour).save(options.out, optimize=True)
    print(options.out)


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


if __name__ == "__main__":
    main()
