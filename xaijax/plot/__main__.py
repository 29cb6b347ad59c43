"""Images of a data set as a small PNG file: several of each class, with the outlines of their masks.

python -m xaijax.plot --out docs/images/phantoms.png
python -m xaijax.plot --data phantoms:dermoscopy --cues ruler:naevus hairs:melanoma --out cues.png
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from xaijax.data import open_dataset
from xaijax.plot._samples import write_samples


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
    write_samples(dataset, options.out, columns=options.columns, seed=options.seed)
    print(options.out)


if __name__ == "__main__":
    main()
