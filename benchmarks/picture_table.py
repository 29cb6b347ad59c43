"""The heat maps of a run of `xaijax bench` as one picture: a row for each method, a column for each image.

    python benchmarks/picture_table.py RUN OUT.png [IMAGES]

takes the first IMAGES (5) of the run's gallery and its first model; masks are outlined. For image files of your own
there is `xaijax explain --table`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from xaijax.metrics import ORACLE
from xaijax.plot import image_table, outline, overlay
from xaijax.plot._overlay import to_rgb


def rows(run: Path, count: int) -> list[tuple[str, list[np.ndarray]]]:
    """(name, pictures) of the images themselves and of each method."""
    paths = sorted((run / "gallery").glob("*.npz"))
    first = paths[0].name.rpartition("-")[0]
    parts = [dict(np.load(path)) for path in paths if path.name.rpartition("-")[0] == first]
    images, masks = (np.concatenate([part[name] for part in parts])[:count] for name in ("images", "masks"))
    maps = np.concatenate([part["maps"] for part in parts], axis=1)[:, :count]

    def outlined(pictures: list[np.ndarray]) -> list[np.ndarray]:
        return [outline(picture, mask) for picture, mask in zip(pictures, masks, strict=True)]

    table = [("image", outlined([to_rgb(image) for image in images]))]
    for name, own in zip(parts[0]["methods"], maps, strict=True):
        if str(name) != ORACLE:
            table.append((str(name), outlined([overlay(i, heat) for i, heat in zip(images, own, strict=True)])))
    return table


def main(arguments: Sequence[str]) -> int:
    """Writes the picture."""
    run, out = map(Path, arguments[:2])
    table = image_table(rows(run, int(arguments[2]) if len(arguments) > 2 else 5), tile=64)
    Image.fromarray(table).quantize(96, dither=Image.Dither.NONE).save(out, optimize=True)
    print(out, table.shape, out.stat().st_size, "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
