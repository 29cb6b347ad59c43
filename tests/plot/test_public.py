"""The package of figures: what it imports, that its examples run, and that no figure needs pyplot."""

import subprocess
import sys

import numpy as np
from matplotlib.figure import Figure

import xaijax
from xaijax import plot
from xaijax.plot._style import encode

ALONE = """
import sys
import xaijax.plot
assert not {"matplotlib", "jax", "xaijax.metrics", "xaijax.explain"} & set(sys.modules), sorted(sys.modules)
import numpy as np
from xaijax.plot._style import encode
picture = np.zeros((1, 8, 8, 1), np.uint8)
encode(xaijax.plot.gallery(picture, {"cam": np.ones((1, 8, 8))}), "png")
encode(xaijax.plot.confusion_matrix([[1]], ["a"]), "svg")
assert "matplotlib.pyplot" not in sys.modules
"""


def test_every_public_function_has_an_example():
    assert all(">>> " in getattr(plot, name).__doc__ for name in plot.__all__)


def test_importing_the_package_imports_no_matplotlib_and_figures_no_pyplot():
    subprocess.run([sys.executable, "-c", ALONE], check=True)


def test_plot_and_training_are_parts_of_the_package():
    assert {"plot", "training"} <= set(xaijax.__all__)
    assert xaijax.plot is plot
    assert xaijax.training.__name__ == "xaijax.training"


def test_the_same_figure_gives_the_same_bytes():
    def drawn():
        return plot.summary({"cam": (0.5, 0.4, 0.6)}, title="IoU")

    assert isinstance(drawn(), Figure)
    for kind, head in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        first, second = (encode(drawn(), kind) for _ in range(2))
        assert first == second
        assert first.startswith(head)
        assert b"Software" not in first
        assert str(np.datetime64("today", "Y")).encode() + b"-" not in first
