"""Makes tests/explain/data/peers.npz: the peers' maps for one small network with random weights.

Run in an environment of its own, from the repository's root:

    python -m venv peers
    peers/bin/pip install torch==2.13.0 numpy scipy scikit-image pillow opencv-python-headless tqdm ttach \\
        matplotlib scikit-learn
    peers/bin/pip install --no-deps torchvision==0.28.0 grad-cam==1.5.7 captum==0.9.0 saliency==0.2.1
    peers/bin/python tests/parity/explain_peers.py

The network is that of tests/explain/conftest.py: three blocks of convolution, batch norm and ReLU, global average
pooling, one dense layer. Weights are stored in PyTorch's layout; the test moves them into the JAX model.
"""

import sys
from importlib import metadata
from pathlib import Path
from unittest import mock

import numpy as np
import torch

# torchvision's compiled operators do not match a CPU torch; nothing here calls them, importing needs their names.
if not hasattr(torch.ops.torchvision, "nms"):  # a test of the same process may have named them
    _library = torch.library.Library("torchvision", "FRAGMENT")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import captum.attr
import pytorch_grad_cam as pgc
import saliency.core as pair
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

SIZE = 32
CLASSES = 5
WIDTHS = (8, 12, 16)
OUT = Path(__file__).parents[1] / "explain" / "data" / "peers.npz"


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


def allow_interpolation(quantile):
    """saliency 0.2.1 passes an argument that NumPy 2.4 has dropped under this name."""
    return lambda values, q, interpolation: quantile(values, q, method=interpolation)


def given_noise(draws):
    """A stand-in for np.random.normal that gives these draws, one per call."""
    left = iter(draws)
    return lambda loc, scale, shape: loc + scale * next(left)


def make_model(rng: np.random.Generator) -> Net:
    net = Net().eval()
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith(("running_var", "norm.weight")):
            new = rng.uniform(0.5, 1.5, value.shape)
        elif value.ndim == 1:
            new = 0.2 * rng.normal(size=value.shape)
        else:
            new = rng.normal(size=value.shape) * np.sqrt(2 / np.prod(value.shape[1:]))
        value.copy_(torch.as_tensor(new, dtype=torch.float32))
    return net


def make_images(rng: np.random.Generator) -> np.ndarray:
    """Two images `[2, H, W, 3]` in [0, 1]: coloured discs on a gradient, a little noise."""
    row, column = np.mgrid[:SIZE, :SIZE] / SIZE
    images = []
    for _ in range(2):
        image = np.stack([row, column, 1 - row], -1) * rng.uniform(0.2, 0.6, 3)
        for _ in range(4):
            centre, radius = rng.uniform(0.1, 0.9, 2), rng.uniform(0.08, 0.25)
            image[(row - centre[0]) ** 2 + (column - centre[1]) ** 2 < radius**2] = rng.uniform(0, 1, 3)
        images.append(np.clip(image + 0.02 * rng.normal(size=image.shape), 0, 1))
    return np.stack(images).astype(np.float32)


def main() -> None:
    rng = np.random.default_rng(20240611)
    net = make_model(rng)
    images = make_images(rng)
    labels = np.array([1, 4])
    x = torch.as_tensor(images.transpose(0, 3, 1, 2))
    out: dict[str, np.ndarray] = {"images": images, "labels": labels}
    out |= {f"weight:{k}": v.numpy() for k, v in net.state_dict().items() if not k.endswith("tracked")}
    with torch.no_grad():
        out["logits"] = net(x).numpy()
    targets = [ClassifierOutputTarget(int(label)) for label in labels]

    methods = {
        "grad_cam": pgc.GradCAM,
        "grad_cam_pp": pgc.GradCAMPlusPlus,
        "xgrad_cam": pgc.XGradCAM,
        "layer_cam": pgc.LayerCAM,
        "hires_cam": pgc.HiResCAM,
        "score_cam": pgc.ScoreCAM,
        "ablation_cam": pgc.AblationCAM,
        "eigen_cam": pgc.EigenCAM,
        "eigen_grad_cam": pgc.EigenGradCAM,
        "fullgrad": pgc.FullGrad,
    }
    layers = {"block3.act": [net.block3.act], "block2.act": [net.block2.act], "both": [net.block2.act, net.block3.act]}
    for name, method in methods.items():
        for layer, modules in layers.items():
            if (name == "fullgrad" and layer != "block3.act") or (name == "ablation_cam" and layer == "both"):
                continue
            with method(model=net, target_layers=[] if name == "fullgrad" else modules) as cam:
                out[f"pgc:{name}:{layer}"] = np.asarray(cam(input_tensor=x.clone(), targets=targets), np.float32)

    # float64 from here on: what is compared is the rule, not a peer's rounding.
    net64, x64 = net.double(), x.double()
    labels64 = torch.as_tensor(labels)
    integrated = captum.attr.IntegratedGradients(net64)
    rules = {
        "gauss_legendre": "gausslegendre",
        "left": "riemann_left",
        "right": "riemann_right",
        "middle": "riemann_middle",
        "trapezoid": "riemann_trapezoid",
    }

    def nhwc(a: torch.Tensor) -> np.ndarray:
        return a.detach().numpy().transpose(0, 2, 3, 1).astype(np.float32)

    for rule, theirs in rules.items():
        out[f"captum:ig:{rule}"] = nhwc(integrated.attribute(x64, target=labels64, n_steps=20, method=theirs))
    guided = captum.attr.GuidedBackprop(net64)
    out["captum:guided_backprop"] = nhwc(guided.attribute(x64, target=labels64))
    occlusion = captum.attr.Occlusion(net64)
    out["captum:occlusion"] = nhwc(
        occlusion.attribute(x64, sliding_window_shapes=(3, 7, 7), strides=(3, 4, 4), target=labels64)
    )

    def call(batch: np.ndarray, call_model_args: int, expected_keys: list) -> dict:
        points = torch.as_tensor(np.asarray(batch, np.float64).transpose(0, 3, 1, 2)).requires_grad_()
        score = net64(points)[:, call_model_args].sum()
        (grads,) = torch.autograd.grad(score, points)
        return {pair.INPUT_OUTPUT_GRADIENTS: grads.numpy().transpose(0, 2, 3, 1)}

    np.quantile = allow_interpolation(np.quantile)
    found: dict[str, list] = {}

    def keep(name: str, value: np.ndarray, dtype: type = np.float32) -> None:
        found.setdefault(f"pair:{name}", []).append(np.asarray(value, dtype))

    for image, label in zip(images.astype(np.float64), labels.tolist(), strict=True):
        black = np.zeros_like(image)
        keep("ig", pair.IntegratedGradients().GetMask(image, call, label, x_steps=25, x_baseline=black, batch_size=25))
        for fraction, max_dist, steps in ((0.25, 0.02, 60), (0.5, 1.0, 25)):
            keep(
                f"guided_ig:{fraction}:{max_dist}:{steps}",
                pair.GuidedIG().GetMask(
                    image, call, label, x_steps=steps, x_baseline=black, max_dist=max_dist, fraction=fraction
                ),
            )
        keep("blur_ig", pair.BlurIG().GetMask(image, call, label, max_sigma=8, steps=30, batch_size=30))
        draws = np.random.default_rng(5).normal(size=(6, *image.shape))
        for name, magnitude in (("smoothgrad_squared", True), ("smoothgrad", False)):
            with mock.patch("numpy.random.normal", given_noise(draws)):
                smooth = pair.GradientSaliency().GetSmoothedMask(image, call, label, nsamples=6, magnitude=magnitude)
            keep(name, smooth)
        out["smoothgrad:noise"] = draws.astype(np.float32)
        for algorithm in ("full", "fast"):
            options = pair.XRAIParameters(algorithm=algorithm, return_xrai_segments=True, return_ig_attributions=True)
            details = pair.XRAI().GetMaskWithDetails(image, call, label, batch_size=50, extra_parameters=options)
            keep(f"xrai:{algorithm}", details.attribution_mask)
            keep(f"xrai:{algorithm}:ranks", details.segments, np.int16)
            if algorithm == "full":
                keep("xrai:ig", np.mean(details.ig_attribution, axis=0).max(-1))
    out |= {name: np.stack(values) for name, values in found.items()}
    versions = {p: metadata.version(p) for p in ("torch", "grad-cam", "captum", "saliency", "scikit-image", "numpy")}
    out["made_by"] = np.array(f"python tests/parity/explain_peers.py; Python {sys.version.split()[0]}, {versions}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(OUT, **out)
    print(OUT, OUT.stat().st_size, "bytes;", out["made_by"])


if __name__ == "__main__":
    main()
