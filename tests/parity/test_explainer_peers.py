"""Captum, torch-cam, shap and lime on a PyTorch network that is converted: pytest tests/parity -m parity.

The default tests compare with what the script explainer_peers.py stored of another network.
"""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from xaijax import explain, models

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]
SIZE = 24


@pytest.fixture(scope="module")
def peers():
    """The script, as a module."""
    path = Path(__file__).parent / "explainer_peers.py"
    spec = importlib.util.spec_from_file_location("explainer_peers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def case(peers):
    """`(classifier, the maps of the peers, images, labels)` of a network with random weights."""
    import torch

    rng = np.random.default_rng(5)
    net = peers.Net().eval()
    for name, value in net.state_dict().items():  # as in explain_peers.py: no unit is always dead or always open
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith(("running_var", "norm.weight")):
            new = rng.uniform(0.5, 1.5, value.shape)
        elif value.ndim == 1:
            new = 0.2 * rng.normal(size=value.shape)
        else:
            new = rng.normal(size=value.shape) * np.sqrt(2 / np.prod(value.shape[1:]))
        value.copy_(torch.as_tensor(new, dtype=torch.float32))
    images = np.kron(rng.random((3, 6, 6, 3)), np.ones((1, 4, 4, 1))).astype(np.float32)
    labels = np.array([0, 3, 2], np.int32)
    classifier = models.from_torch(net, input_shape=(SIZE, SIZE, 3))
    return classifier, peers.every(net.double(), images, labels), images, labels


def relative(got, expected):
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    axes = tuple(range(1, got.ndim))
    return float((np.abs(got - expected).max(axes) / np.abs(expected).max(axes)).max())


def regions(maps, side):
    size = maps.shape[1]
    first = [int(np.argmax(np.arange(size) * side // size == cell)) for cell in range(side)]
    return np.asarray(maps)[:, first][:, :, first].reshape(len(maps), -1)


@pytest.mark.parametrize(("name", "value"), [("black", 0.0), ("grey", 0.5)])
def test_deeplift(case, name, value):
    classifier, theirs, images, labels = case
    baseline = np.full(images.shape[1:], value, np.float32)
    got = explain.deeplift(classifier, images, labels, baseline=baseline, reduce="none")
    assert relative(got, theirs[f"captum:deeplift:{name}"]) < 1e-4


def test_guided_grad_cam(case):
    classifier, theirs, images, labels = case
    layers = [name for name in classifier.layers() if name.endswith("block2.act") or name == "block2.act"]
    got = explain.guided_grad_cam(classifier, images, labels, layer=layers[0], reduce="none")
    assert relative(got, theirs["captum:guided_grad_cam:block2.act:bilinear"]) < 1e-4


def test_smooth_grad_cam_pp(case, peers):
    classifier, theirs, images, labels = case
    layers = [name for name in classifier.layers() if name.endswith("block1.act") or name == "block1.act"]
    options = {"draws": peers.COPIES, "std": peers.STD, "key": peers.KEY, "convention": "torch-cam"}
    got = explain.smooth_grad_cam_pp(classifier, images, labels, layer=layers[0], **options)
    # α divides by a difference of powers of float32 gradients.
    assert relative(jax.nn.relu(got), theirs["torchcam:smooth_grad_cam_pp"]) < 1e-3


def test_kernel_shap(case, peers):
    classifier, theirs, images, labels = case
    got = explain.kernel_shap(classifier, images, labels, regions=peers.SIDE, baseline="black")
    assert relative(regions(got, peers.SIDE), theirs["shap:kernel"]) < 1e-4


def test_lime(case, peers):
    classifier, theirs, images, labels = case
    got = explain.lime(classifier, images, labels, count=peers.DRAWS, regions=peers.SIDE, key=peers.KEY)
    assert relative(regions(got, peers.SIDE), theirs["lime:image"]) < 1e-4
