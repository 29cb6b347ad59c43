"""The samples of a data set show every class, with outlines that can be seen."""

import numpy as np
from PIL import Image

from xaijax.plot import __main__ as command


def test_the_command_writes_a_small_picture_with_outlines(tmp_path):
    out = tmp_path / "deep" / "phantoms.png"
    command.main(["--out", str(out), "--columns", "3", "--size", "96"])
    assert out.stat().st_size < 400_000
    pixels = np.asarray(Image.open(out).convert("RGB")).astype(int)
    orange = (np.abs(pixels - [0xE6, 0x9F, 0x00]).max(axis=2) < 12).sum(axis=1)
    # Three classes, each a title, a row without and a row with outlines.
    thirds = np.array_split(orange, 3)
    assert all(third.sum() > 100 for third in thirds)
