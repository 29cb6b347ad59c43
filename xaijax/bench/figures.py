"""Writes the figures of a run: charts as SVG, images as PNG. They are drawn by `xaijax.plot`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from xaijax.bench.store import write_whole
from xaijax.plot._style import encode

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: "Figure", path: Path) -> Path:
    """Writes a figure as its file name says (.svg or .png), whole, without a date in it."""
    data = encode(figure, cast(Literal["svg", "png"], path.suffix[1:]))
    write_whole(path, lambda file: file.write(data))
    return path
