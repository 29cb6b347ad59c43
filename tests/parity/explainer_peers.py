"""Makes tests/explain/data/explainer_peers.npz: maps of Captum, torch-cam, shap and lime for the network of peers.npz.

Run in the environment that .ci/full makes, after explain_peers.py, from the repository's root:

    python tests/parity/explainer_peers.py

Weights and images are those of peers.npz. What draws gets our draws, so that the arithmetic is compared and not luck:
the noise of Smooth Grad-CAM++ and the coalitions of LIME are those that the same key gives xaijax. KernelSHAP sees all
coalitions of nine regions, so that nothing is drawn.
"""

import sys
from importlib import metadata
from pathlib import Path

import jax
import numpy as np
import torch

# torchvision's compiled operators do not match a CPU torch; nothing here calls them, importing needs their names.
if not hasattr(torch.ops.torchvision, "nms"):  # a test of the same process may have named them
    _library = torch.library.Library("torchvision", "FRAGMENT")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import captum.attr
import lime.lime_image
import shap
import torchcam.methods

from xaijax.explain._method import image_keys

CLASSES = 5
WIDTHS = (8, 12, 16)
STORED = Path(__file__).parents[1] / "explain" / "data"
OUT = STORED / "explainer_peers.npz"
SIDE = 3  # regions of a side
DRAWS = 64  # coalitions of LIME
COPIES = 4  # noisy images of Smooth Grad-CAM++
STD = 0.1
KEY = 3


class Block(torch.nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.norm = torch.nn.BatchNorm2d(outputs)
        self.act = torch.nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.norm(self.conv(x)))


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block1 = Block(3, WIDTHS[0], 1)
        self.block2 = Block(WIDTHS[0], WIDTHS[1], 2)
        self.block3 = Block(WIDTHS[1], WIDTHS[2], 2)
        self.dense = torch.nn.Linear(WIDTHS[2], CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.block3(self.block2(self.block1(x))).mean((2, 3)))


def nchw(images: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(np.moveaxis(images, -1, 1)), dtype=torch.float64)


def nhwc(tensor: torch.Tensor) -> np.ndarray:
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def deeplift(net: torch.nn.Module, images: np.ndarray, labels: np.ndarray, baseline: float) -> np.ndarray:
    """`[B, H, W, C]` of Captum's DeepLift, the rescale rule, against images of one value."""
    x = nchw(images)
    found = captum.attr.DeepLift(net).attribute(x, torch.full_like(x, baseline), target=torch.as_tensor(labels))
    return nhwc(found)


def guided_grad_cam(
    net: torch.nn.Module, layer: torch.nn.Module, images: np.ndarray, labels: np.ndarray, mode: str
) -> np.ndarray:
    """`[B, H, W, C]` of Captum's GuidedGradCam; mode says how the coarse map is resized."""
    method = captum.attr.GuidedGradCam(net, layer)
    return nhwc(method.attribute(nchw(images), target=torch.as_tensor(labels), interpolate_mode=mode))


class Given:
    """A stand-in for a distribution that gives these draws `[draws, B, C, H, W]`, one per call."""

    def __init__(self, draws: torch.Tensor) -> None:
        self.left = iter(draws)

    def sample(self, shape: torch.Size) -> torch.Tensor:
        draw = next(self.left)
        assert draw.shape == shape
        return draw


def noise(images: np.ndarray, key: int, draws: int) -> np.ndarray:
    """`[draws, B, H, W, C]`: the standard normal draws of xaijax for these images and this key."""
    keys = image_keys(jax.random.key(key), jax.numpy.asarray(images, jax.numpy.float32))

    def one(own: jax.Array) -> jax.Array:
        each = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(own, jax.numpy.arange(draws))
        return jax.vmap(lambda k: jax.random.normal(k, images.shape[1:], jax.numpy.float32))(each)

    return np.moveaxis(np.asarray(jax.vmap(one)(keys)), 1, 0)


def smooth_grad_cam_pp(
    net: torch.nn.Module, layer: str, images: np.ndarray, labels: np.ndarray, draws: np.ndarray, std: float
) -> np.ndarray:
    """`[B, h, w]` of torch-cam's SmoothGradCAMpp at a layer, not scaled; their ReLU is in it."""
    shape = (3, *images.shape[1:3])
    with torchcam.methods.SmoothGradCAMpp(net, layer, num_samples=len(draws), std=std, input_shape=shape) as method:
        method._distrib = Given(std * torch.stack([nchw(draw) for draw in draws]))
        net(nchw(images))
        (found,) = method(class_idx=labels.tolist(), normalized=False)
    return found.detach().numpy()


def segments(size: int) -> np.ndarray:
    """`[H, W]`: a grid of SIDE x SIDE regions, numbered in rows."""
    cell = np.arange(size) * SIDE // size
    return cell[:, None] * SIDE + cell[None, :]


def kernel_shap(net: torch.nn.Module, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`[B, M]` of shap's KernelExplainer over all coalitions; hidden regions are black."""
    places = segments(images.shape[1])
    count = SIDE**2
    found = []
    for image, label in zip(images, labels.tolist(), strict=True):

        def score(z: np.ndarray, image: np.ndarray = image, label: int = label) -> np.ndarray:
            kept = np.asarray(z, np.float64)[:, places][..., None] * image
            with torch.no_grad():
                return net(nchw(kept))[:, label].numpy()

        explainer = shap.KernelExplainer(score, np.zeros((1, count)))
        found.append(explainer.shap_values(np.ones((1, count)), nsamples=2**count, l1_reg=False, silent=True)[0])
    return np.stack(found)


class Coin:
    """A stand-in for NumPy's random state whose throws are given."""

    def __init__(self, throws: np.ndarray) -> None:
        self.throws = throws

    def randint(self, low: int, high: int | None = None, size: int = 1) -> np.ndarray:
        assert (low, high, size) == (0, 2, self.throws.size)
        return self.throws.reshape(-1).astype(int)


def coalitions(key: int, draws: int) -> np.ndarray:
    """`[draws, M]`: which regions xaijax keeps with this key; the first draw is the intact image."""
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(key), jax.numpy.arange(draws))
    z = np.array(jax.vmap(lambda k: jax.random.bernoulli(k, 0.5, (SIDE**2,)))(keys))
    z[0] = True
    return z


def lime_images(net: torch.nn.Module, images: np.ndarray, labels: np.ndarray, z: np.ndarray) -> np.ndarray:
    """`[B, M]` coefficients of lime's LimeImageExplainer; hidden regions have their mean colour."""
    places = segments(images.shape[1])

    def predict(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.softmax(net(nchw(batch)), 1).numpy()

    found = []
    for image, label in zip(images.astype(np.float64), labels.tolist(), strict=True):
        explainer = lime.lime_image.LimeImageExplainer(kernel_width=0.25, feature_selection="none")
        explainer.random_state = Coin(z)
        explained = explainer.explain_instance(
            image,
            predict,
            labels=(label,),
            top_labels=None,
            num_features=SIDE**2,
            num_samples=len(z),
            segmentation_fn=lambda pixels: places,
            random_seed=0,
        )
        values = dict(explained.local_exp[label])
        found.append([values[region] for region in range(SIDE**2)])
    return np.asarray(found)


def every(net: Net, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """All maps of the peers for a network in float64."""
    draws = noise(images, KEY, COPIES)
    out = {"captum:deeplift:black": deeplift(net, images, labels, 0.0)}
    out["captum:deeplift:grey"] = deeplift(net, images, labels, 0.5)
    for name, layer in (("block2.act", net.block2.act), ("block3.act", net.block3.act)):
        for mode in ("bilinear", "nearest"):
            out[f"captum:guided_grad_cam:{name}:{mode}"] = guided_grad_cam(net, layer, images, labels, mode)
    out["torchcam:smooth_grad_cam_pp"] = smooth_grad_cam_pp(net, "block1.act", images, labels, draws, STD)
    out["shap:kernel"] = kernel_shap(net, images, labels)
    out["lime:image"] = lime_images(net, images, labels, coalitions(KEY, DRAWS))
    return out


def main() -> None:
    with np.load(STORED / "peers.npz") as file:
        peers = dict(file)
    net = Net().eval()
    net.load_state_dict(
        {name.partition(":")[2]: torch.as_tensor(peers[name]) for name in peers if name.startswith("weight:")},
        strict=False,
    )
    out = every(net.double(), peers["images"], peers["labels"])
    out = {name: np.asarray(values, np.float32) for name, values in out.items()}
    versions = {p: metadata.version(p) for p in ("torch", "captum", "torchcam", "shap", "lime", "numpy", "jax")}
    out["made_by"] = np.array(f"python tests/parity/explainer_peers.py; Python {sys.version.split()[0]}, {versions}")
    np.savez_compressed(OUT, **out)
    print(OUT, OUT.stat().st_size, "bytes;", out["made_by"])


if __name__ == "__main__":
    main()
