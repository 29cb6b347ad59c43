"""Networks of radiographs as TorchXRayVision has them: DenseNet-121 of one channel, 18 findings, -1024 to 1024."""

import importlib.util
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from xaijax import models
from xaijax._errors import InputError
from xaijax.preprocess import Preprocess

FINDINGS = 18
_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parents[1] / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)


@pytest.fixture(scope="module")
def entries():
    """The entries of its state dictionary, with weights of a fixed recipe."""
    with np.load(Path(__file__).parent / "data" / "torchvision_densenet121.npz") as file:
        shapes = json.loads(file["small/spec"].tobytes())["entries"]
    shapes["features.conv0.weight"][1] = 1
    shapes["classifier.weight"][0] = shapes["classifier.bias"][0] = FINDINGS
    found = {name: recipe.weight(name, tuple(shape), True) for name, shape in shapes.items()}
    limits = np.linspace(0.1, 0.6, FINDINGS).astype(np.float32)
    limits[[2, 7]] = np.nan  # findings that these weights do not know
    return found | {"op_threshs": limits}


def test_the_file_opens_with_its_range_output_and_thresholds(entries, tmp_path):
    save_file(entries, tmp_path / "xrv.safetensors")
    notes = []
    found = models.load(tmp_path / "xrv.safetensors", notes=notes)
    assert (found.architecture.name, found.input_shape, found.output) == ("densenet121", (224, 224, 1), "sigmoid")
    assert found.preprocess == Preprocess(scale=2048.0, mean=(1024.0,))
    assert found.thresholds[2] == found.thresholds[7] == 0.5
    assert found.thresholds[0] == pytest.approx(0.1)
    assert [(note.about, note.source) for note in notes] == [("output", "file"), ("preprocess", "assumed")]


def test_what_is_given_is_taken(entries):
    notes = []
    given = Preprocess.read(["range=-1024,1024"])
    assert given == Preprocess.named("xrv")
    found = models.from_torch(entries, preprocess=given, output="sigmoid", notes=notes)
    assert (found.preprocess, notes) == (given, [])
    assert models.from_torch(entries, preprocess="identity").preprocess.is_identity


def test_the_network_sees_pixels_from_minus_to_plus_1024(entries):
    found = models.from_torch(entries, input_shape=(32, 32, 1), preprocess="xrv")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.uint8)
    logits, seen = jax.jit(lambda params, x: found.tapped(params, x, {"preprocess": None}))(found.params, images)
    np.testing.assert_allclose(seen["preprocess"], (2 * (images / 255) - 1) * 1024, atol=1e-3)
    assert logits.shape == (2, FINDINGS)
    assert np.isfinite(logits).all()
    assert np.ptp(logits, axis=0).min() > 0


def test_thresholds_that_do_not_fit_are_refused(entries):
    with pytest.raises(InputError, match=r"has 17 thresholds \(op_threshs\) for 18 findings"):
        models.from_torch(entries | {"op_threshs": entries["op_threshs"][:17]})
