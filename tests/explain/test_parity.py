"""Parity with the named packages, on the maps they made from the same weights and images.

tests/parity/explain_peers.py makes peers.npz, which names the packages, their versions and the command. PyTorch and its
friends are not needed here.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax import explain
from xaijax.classifier import Classifier
from xaijax.explain.regions._segments import segment_masks
from xaijax.kernels import rank_regions

DATA = Path(__file__).parent / "data" / "peers.npz"


@pytest.fixture(scope="module")
def peers():
    with np.load(DATA) as file:
        return dict(file)


@pytest.fixture(scope="module")
def net(peers, net_class):
    """The peers' network in JAX: PyTorch's layouts turned round, names as they are in both."""
    images = peers["images"]
    module = net_class(nnx.Rngs(0))
    model = Classifier.from_nnx(module, input_shape=images.shape[1:])
    names = {
        "conv": {"kernel": "weight", "bias": "bias"},
        "norm": {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"},
    }
    params = {}
    for block in ("block1", "block2", "block3"):
        params[block] = {
            part: {ours: jnp.asarray(peers[f"weight:{block}.{part}.{theirs}"]) for ours, theirs in table.items()}
            for part, table in names.items()
        }
        params[block]["conv"]["kernel"] = params[block]["conv"]["kernel"].transpose(2, 3, 1, 0)
    params["dense"] = {
        "kernel": jnp.asarray(peers["weight:dense.weight"]).T,
        "bias": jnp.asarray(peers["weight:dense.bias"]),
    }
    model = model.with_params(params)
    np.testing.assert_allclose(model.logits(params, images), peers["logits"], rtol=1e-5, atol=1e-5)
    return model


def relative(got, expected):
    """Largest error, as a share of the largest value of each map."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    axes = tuple(range(1, got.ndim))
    return float((np.abs(got - expected).max(axes) / np.abs(expected).max(axes)).max())


CAMS = [
    *("grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam"),
    *("score_cam", "ablation_cam", "eigen_cam", "eigen_grad_cam"),
]
LAYERS = {"block3.act": "block3.act", "block2.act": "block2.act", "both": ("block2.act", "block3.act")}
# The peer cannot fuse layers in one, and takes an arbitrary sign for each layer in the others.
NOT_FUSED = {"ablation_cam", "eigen_cam", "eigen_grad_cam"}


@pytest.mark.parametrize(
    ("name", "layer"), [(n, layer) for n in CAMS for layer in LAYERS if layer != "both" or n not in NOT_FUSED]
)
def test_pytorch_grad_cam(peers, net, name, layer):
    expected = peers[f"pgc:{name}:{layer}"]
    options = {"layer": LAYERS[layer], "convention": "pytorch-grad-cam"}
    got = np.asarray(getattr(explain, name)(net, peers["images"], peers["labels"], **options))
    if name.startswith("eigen"):
        # The sign of a singular vector is arbitrary: their map may be the ReLU of the negative of ours.
        other = np.stack([_eigen(net, image, label, name, layer) for image, label in _cases(peers)])
        got = np.where((np.abs(got - expected).max((1, 2)) < 1e-3)[:, None, None], got, other)
    assert np.abs(got - expected).max() < 1e-3


def _cases(peers):
    return zip(peers["images"], peers["labels"], strict=True)


def _eigen(net, image, label, name, layer):
    """The map of the other sign, post-processed as the peer does, by NumPy's SVD."""
    from xaijax.explain.cams import _maps as _cam

    @jax.jit
    def tapped(x):
        return _cam.activations_and_gradients(net, x, jnp.array([label]), (layer,), "logit")

    taps, grads = tapped(image[None])
    A = np.asarray(taps[layer][0], np.float64)
    if name == "eigen_grad_cam":
        A = A * np.asarray(grads[layer][0], np.float64)
    flat = A.reshape(-1, A.shape[-1])
    flat = flat - flat.mean(0)
    projection = (flat @ np.linalg.svd(flat, full_matrices=False)[2][0]).reshape(A.shape[:2])
    if -projection.min() <= projection.max():
        projection = -projection
    return _cam.finish([jnp.asarray(projection[None], jnp.float32)], image.shape[:2], "pytorch-grad-cam")[0]


def test_pytorch_grad_cam_fullgrad(peers, net):
    got = explain.fullgrad(net, peers["images"], peers["labels"], convention="pytorch-grad-cam")
    assert np.abs(np.asarray(got) - peers["pgc:fullgrad:block3.act"]).max() < 1e-3


@pytest.mark.parametrize("rule", ["gauss_legendre", "left", "right", "middle", "trapezoid"])
def test_captum_integrated_gradients(peers, net, rule):
    got = np.asarray(
        explain.integrated_gradients(net, peers["images"], peers["labels"], rule=rule, steps=20, reduce="none")
    )
    if rule == "trapezoid":
        got = got * 19 / 20  # Captum's weights sum to (n - 1)/n
    assert relative(got, peers[f"captum:ig:{rule}"]) < 1e-4


def test_captum_guided_backprop_and_occlusion(peers, net):
    images, labels = peers["images"], peers["labels"]
    assert relative(explain.guided_backprop(net, images, labels, reduce="none"), peers["captum:guided_backprop"]) < 1e-4
    got = explain.occlusion(net, images, labels, window=7, stride=4)
    assert relative(got, peers["captum:occlusion"][..., 0]) < 1e-4


def test_pair_integrated_gradients(peers, net):
    got = explain.integrated_gradients(net, peers["images"], peers["labels"], rule="pair", reduce="none")
    assert relative(got, peers["pair:ig"]) < 1e-4


@pytest.mark.parametrize(("fraction", "max_dist", "steps"), [(0.25, 0.02, 60), (0.5, 1.0, 25)])
def test_pair_guided_ig(peers, net, fraction, max_dist, steps):
    got = explain.guided_ig(
        net, peers["images"], peers["labels"], fraction=fraction, max_dist=max_dist, steps=steps, reduce="none"
    )
    assert relative(got, peers[f"pair:guided_ig:{fraction}:{max_dist}:{steps}"]) < 1e-4


def test_pair_blur_ig(peers, net):
    got = explain.blur_ig(net, peers["images"], peers["labels"], max_sigma=8.0, steps=30, reduce="none")
    assert relative(got, peers["pair:blur_ig"]) < 1e-4


@pytest.mark.parametrize(("name", "statistic"), [("smoothgrad", "mean"), ("smoothgrad_squared", "square")])
def test_pair_smoothgrad(peers, net, name, statistic):
    noise = peers["smoothgrad:noise"]
    got = explain.smoothgrad(
        net, peers["images"], peers["labels"], noise=noise, statistic=statistic, reduce="none", batch_size=5
    )
    assert relative(got, peers[f"pair:{name}"]) < 1e-4


@pytest.mark.parametrize("algorithm", ["full", "fast"])
def test_pair_xrai(peers, net, algorithm):
    attribution = peers["pair:xrai:ig"]
    for index, image in enumerate(peers["images"]):
        found, ranks = rank_regions(attribution[index], segment_masks(image), fast=algorithm == "fast")
        assert np.array_equal(ranks, peers[f"pair:xrai:{algorithm}:ranks"][index])
        np.testing.assert_allclose(found, peers[f"pair:xrai:{algorithm}"][index], rtol=1e-5, atol=1e-8)
    method = {"full": explain.xrai, "fast": explain.xrai_fast}[algorithm]
    got = method(net, peers["images"], peers["labels"])
    assert relative(got, peers[f"pair:xrai:{algorithm}"]) < 1e-4


def test_the_file_says_what_made_it(peers):
    made_by = str(peers["made_by"])
    for words in (
        "python tests/parity/explain_peers.py",
        "'grad-cam': '1.5.7'",
        "'captum': '0.9.0'",
        "'saliency': '0.2.1'",
    ):
        assert words in made_by
