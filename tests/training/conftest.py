"""A small folder of images and a training on it, for the tests of training and evaluation."""

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from xaijax import train
from xaijax.training import Augmentation


@pytest.fixture
def console():
    """Prints into memory: `console.file.getvalue()`."""
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Three classes that differ by the position of a bright spot on noise; one unreadable file."""
    root = tmp_path_factory.mktemp("spots")
    random = np.random.default_rng(0)
    for label, (name, row) in enumerate((("high", 6), ("middle", 16), ("low", 26))):
        (root / name).mkdir()
        for number in range(20 - 4 * label):
            image = random.integers(0, 90, (32, 32)).astype(np.uint8)
            column = random.integers(8, 24)
            image[row - 3 : row + 3, column - 3 : column + 3] = 220
            Image.fromarray(image).save(root / name / f"{number:02d}.png")
    (root / "low" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return root


@pytest.fixture(scope="session")
def config(folder):
    """`config(out, **changes)`: a training of seconds on the folder."""

    def make(out, **changes):
        given = {
            "data": str(folder),
            "out": out,
            "size": 32,
            "epochs": 4,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "augmentation": Augmentation(flip="horizontal", shift=0.05, rotation=5, zoom=0.05),
        }
        return train.TrainConfig(**(given | changes))

    return make


@pytest.fixture(scope="session")
def finished(config, tmp_path_factory):
    """That training, done."""
    out = tmp_path_factory.mktemp("out") / "run"
    return train.run(config(out), console=Console(file=io.StringIO()))
