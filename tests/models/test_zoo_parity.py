"""Every architecture against its peers: logits and endpoints with weights of one recipe on both sides.

The peers' numbers are in data/*.npz, made by tests/parity/zoo_torch.py and zoo_keras.py; no weights are stored. With
XAIJAX_ZOO_TABLE=docs/models.md and `-m "slow or not slow"` the table of that file is written anew.
"""

import functools
import importlib.util
import json
import os
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from xaijax import models

DATA = Path(__file__).parent / "data"
_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parents[1] / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)

TOLERANCE = 1e-4  # largest difference over largest magnitude, float32
SOURCES = sorted(path.stem for path in DATA.glob("*.npz"))
# Run by default, at the small size; the sizes of the table are slow.
QUICK = (
    "keras_efficientnet_b0",
    "keras_mobilenet_v2",
    "keras_resnet50v2",
    "torchvision_densenet121",
    "torchvision_inception_v3",
    "torchvision_resnet50",
    "torchvision_squeezenet",
)
CASES = [
    *(pytest.param(source, recipe.SMALL) for source in QUICK),
    *(pytest.param(source, size, marks=pytest.mark.slow) for source in SOURCES for size in (recipe.USUAL, recipe.ODD)),
]
START, END = "<!-- exactness: written by tests/models/test_zoo_parity.py -->", "<!-- end -->"


class Drawn:
    """An array of the recipe that is drawn when it is read."""

    def __init__(self, name, shape, outputs_first):
        self.name, self.shape, self.outputs_first = name, tuple(shape), outputs_first

    def __getitem__(self, index):
        return _draw(self.name, self.shape, self.outputs_first)[index]


@functools.lru_cache(maxsize=1)
def _draw(name, shape, outputs_first):
    return recipe.weight(name, shape, outputs_first)


def imported(source, reference, size):
    """The classifier with the recipe's weights, and the images that the peer saw."""
    spec = json.loads(reference[f"{size}/spec"].tobytes())
    torch = not source.startswith("keras")
    entries = {name: Drawn(name, shape, torch) for name, shape in spec["entries"].items()}
    shape = (spec["side"], spec["side"], 3)
    style = None if source == "keras_efficientnet_b0" else "identity"
    if torch:
        classifier = models.from_torch(entries, input_shape=shape, preprocess=style)
    else:
        from xaijax.models.importers.keras_files import Contents
        from xaijax.models.importers.keras_weights import _convert

        classifier = _convert(Contents(entries, None, None), None, source, shape, None, style, None, None, None)
    return classifier, recipe.images(len(reference[f"{size}/logits"]), spec["side"])


def relative_error(ours, reference):
    return float(np.abs(np.asarray(ours) - reference).max() / np.abs(reference).max())


def summary_error(ours, reference):
    """Means and single values are of different magnitudes."""
    return max(relative_error(ours[rows], reference[rows]) for rows in (slice(0, 3), slice(3, 5)))


@pytest.fixture(scope="module")
def table():
    rows = {}
    yield rows
    target = os.environ.get("XAIJAX_ZOO_TABLE")
    if target and rows:
        write_table(Path(target), rows)


def write_table(path, rows):
    """Rows of what was run now, and of what was not those that are there already."""
    text = path.read_text()
    found = re.findall(r"^\| (\w+) \| (\w+) \| (\d+) \| (.*) \|$", text, flags=re.MULTILINE)
    kept = {(name, library, int(side)): errors for name, library, side, errors in found}
    for (source, _), (side, logits, endpoints) in rows.items():
        library, name = source.split("_", 1)
        kept[name, library, side] = f"{logits:.1e} | {endpoints:.1e}"
    lines = ["| architecture | source | size (px) | logits | endpoints |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {library} | {side} | {errors} |" for (name, library, side), errors in sorted(kept.items())]
    middle = "\n".join([START, *lines, END])
    path.write_text(re.sub(re.escape(START) + ".*?" + re.escape(END), lambda match: middle, text, flags=re.DOTALL))


@pytest.mark.parametrize(("source", "size"), CASES)
def test_logits_and_endpoints_are_the_peers(source, size, table):
    reference = np.load(DATA / f"{source}.npz")
    classifier, images = imported(source, reference, size)
    layers = [key.split("/at/")[1] for key in reference.files if key.startswith(f"{size}/at/")]

    def run(classifier, images):
        return classifier.tapped(classifier.params, images, dict.fromkeys(layers))

    compiled = jax.jit(
        run, compiler_options={"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    )
    logits, activations = compiled(classifier, images)
    expected = reference[f"{size}/logits"]
    if len(expected) > 1:  # the weights must not drown the images
        assert relative_error(expected[0], expected[1]) > 10 * TOLERANCE
    error = relative_error(logits, expected)
    endpoints = max(
        summary_error(recipe.summary(activations[layer]), reference[f"{size}/at/{layer}"]) for layer in layers
    )
    table[source, size] = (images.shape[1], error, endpoints)
    assert error < TOLERANCE
    assert endpoints < TOLERANCE
