"""Parity with Captum, torch-cam, shap and lime, on maps that they made from the same weights, images and draws.

tests/parity/explainer_peers.py makes explainer_peers.npz; the network is that of peers.npz.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax import explain
from xaijax.classifier import Classifier

DATA = Path(__file__).parent / "data"
SIDE, DRAWS, COPIES, STD, KEY = 3, 64, 4, 0.1, 3  # as in the script


@pytest.fixture(scope="module")
def stored():
    found = {}
    for name in ("peers.npz", "explainer_peers.npz"):
        with np.load(DATA / name) as file:
            found |= dict(file)
    return found


@pytest.fixture(scope="module")
def net(stored, net_class):
    """The peers' network in JAX: PyTorch's layouts turned round, names as they are in both."""
    model = Classifier.from_nnx(net_class(nnx.Rngs(0)), input_shape=stored["images"].shape[1:])
    names = {
        "conv": {"kernel": "weight", "bias": "bias"},
        "norm": {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"},
    }
    params = {}
    for block in ("block1", "block2", "block3"):
        params[block] = {
            part: {ours: jnp.asarray(stored[f"weight:{block}.{part}.{theirs}"]) for ours, theirs in table.items()}
            for part, table in names.items()
        }
        params[block]["conv"]["kernel"] = params[block]["conv"]["kernel"].transpose(2, 3, 1, 0)
    params["dense"] = {
        "kernel": jnp.asarray(stored["weight:dense.weight"]).T,
        "bias": jnp.asarray(stored["weight:dense.bias"]),
    }
    return model.with_params(params)


def relative(got, expected):
    """Largest error, as a share of the largest value of each map."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    axes = tuple(range(1, got.ndim))
    return float((np.abs(got - expected).max(axes) / np.abs(expected).max(axes)).max())


@pytest.mark.parametrize(("name", "value"), [("black", 0.0), ("grey", 0.5)])
def test_deeplift_is_captums(stored, net, name, value):
    images = stored["images"]
    baseline = jnp.full(images.shape[1:], value, jnp.float32)
    got = explain.deeplift(net, images, stored["labels"], baseline=baseline, reduce="none")
    assert relative(got, stored[f"captum:deeplift:{name}"]) < 1e-4


@pytest.mark.parametrize("layer", ["block2.act", "block3.act"])
def test_guided_grad_cam_is_captums_but_for_the_resizing(stored, net, layer):
    images, labels = stored["images"], stored["labels"]
    got = explain.guided_grad_cam(net, images, labels, layer=layer, reduce="none")
    assert relative(got, stored[f"captum:guided_grad_cam:{layer}:bilinear"]) < 1e-4
    # Their default takes the nearest position of the coarse map: squares of one value times guided backpropagation.
    nearest = stored[f"captum:guided_grad_cam:{layer}:nearest"]
    guided = np.asarray(explain.guided_backprop(net, images, labels, reduce="none"))
    side = images.shape[1] // (16 if layer == "block2.act" else 8)
    cells = (2, images.shape[1] // side, side, images.shape[2] // side, side, 3)
    theirs, ours = nearest.reshape(cells), guided.reshape(cells)
    coarse = (theirs * ours).sum((2, 4, 5), keepdims=True) / ((ours**2).sum((2, 4, 5), keepdims=True) + 1e-30)
    assert relative(coarse * ours, theirs) < 1e-4
    assert relative(got, nearest) > 0.05


def test_smooth_grad_cam_pp_is_torch_cams(stored, net):
    options = {"draws": COPIES, "std": STD, "key": KEY, "convention": "torch-cam", "layer": "block1.act"}
    got = explain.smooth_grad_cam_pp(net, stored["images"], stored["labels"], **options)
    assert got.shape == stored["torchcam:smooth_grad_cam_pp"].shape  # this layer has the size of the image
    assert relative(jax.nn.relu(got), stored["torchcam:smooth_grad_cam_pp"]) < 1e-4


def regions(maps):
    """`[B, M]`: the value of each region of a grid."""
    size = maps.shape[1]
    place = np.arange(size) * SIDE // size
    first = [int(np.argmax(place == cell)) for cell in range(SIDE)]
    return np.asarray(maps)[:, first][:, :, first].reshape(len(maps), -1)


def test_kernel_shap_over_all_coalitions_is_shaps(stored, net):
    got = explain.kernel_shap(net, stored["images"], stored["labels"], regions=SIDE, baseline="black")
    assert relative(regions(got), stored["shap:kernel"]) < 1e-4


def test_lime_over_the_same_draws_is_limes(stored, net):
    got = explain.lime(net, stored["images"], stored["labels"], count=DRAWS, regions=SIDE, key=KEY)
    assert relative(regions(got), stored["lime:image"]) < 1e-4
