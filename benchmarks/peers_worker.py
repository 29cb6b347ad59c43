"""The peers' side of run_peers.py: PyTorch, pytorch-grad-cam, Captum, SHAP and PAIR, in their own environment.

It is started by run_peers.py. Requests are lines of JSON on standard input, `{"case": name, "images": n, options}`;
answers are lines of JSON on standard output, and arrays go by `.npy` files in the folder given as the first argument.
PAIR asks for gradients: it gets them from the process that started this one, so that both sides run the same model.
"""

import copy
import functools
import json
import sys
import time
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from peers_model import make_model  # isort: skip  before the packages: it lets torchvision be imported

import captum.attr
import pytorch_grad_cam
import saliency.core as pair
import shap
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

FOLDER = Path(sys.argv[1])
CAMS = {
    "grad_cam": pytorch_grad_cam.GradCAM,
    "hires_cam": pytorch_grad_cam.HiResCAM,
    "layer_cam": pytorch_grad_cam.LayerCAM,
    "grad_cam_pp": pytorch_grad_cam.GradCAMPlusPlus,
    "score_cam": pytorch_grad_cam.ScoreCAM,
    "ablation_cam": pytorch_grad_cam.AblationCAM,
}


def say(**message: Any) -> None:
    print(json.dumps(message), file=answers, flush=True)


def gradients(points: Any, call_model_args: int, expected_keys: Any) -> dict[str, np.ndarray]:
    """What PAIR calls: the gradient of a logit by the images, from the process that started this one."""
    np.save(FOLDER / "points.npy", np.asarray(points, np.float32))
    say(gradient=call_model_args)
    json.loads(sys.stdin.readline())
    return {pair.INPUT_OUTPUT_GRADIENTS: np.load(FOLDER / "gradients.npy").astype(np.float64)}


def run(case: str, x: torch.Tensor, labels: torch.Tensor, options: dict[str, Any]) -> np.ndarray:
    """Maps `[B, H, W]`; logits `[B, K]` of a bare pass."""
    if case == "forward":
        with torch.inference_mode():
            return model(x).numpy()
    if case in CAMS:
        targets = [ClassifierOutputTarget(int(label)) for label in labels]
        with CAMS[case](model=model, target_layers=[model.layer4[-1]]) as cam:
            if "batch_size" in options:
                cam.batch_size = options["batch_size"]
            return np.asarray(cam(input_tensor=x, targets=targets))
    if case == "integrated_gradients":
        found = captum.attr.IntegratedGradients(model).attribute(
            x, target=labels, n_steps=options["steps"], method="gausslegendre", internal_batch_size=8
        )
        return found.detach().sum(1).numpy()
    if case == "smoothgrad":
        tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(model))
        found = tunnel.attribute(
            x,
            target=labels,
            nt_type="smoothgrad",
            nt_samples=options["draws"],
            nt_samples_batch_size=1,
            stdevs=options["std"],
            abs=False,
        )
        return found.detach().sum(1).numpy()
    if case == "deeplift":
        found = captum.attr.DeepLift(without_reuse()).attribute(x, torch.zeros_like(x), target=labels)
        return found.detach().sum(1).numpy()
    if case == "kernel_shap":
        return kernel_shap(x, int(labels[0]))
    pictures = x.permute(0, 2, 3, 1).numpy()
    if case == "guided_ig":
        maps = [
            pair.GuidedIG().GetMask(
                image.astype(np.float64),
                gradients,
                int(label),
                x_steps=options["steps"],
                x_baseline=np.zeros(image.shape),
                max_dist=options["max_dist"],
                fraction=options["fraction"],
            )
            for image, label in zip(pictures, labels, strict=True)
        ]
        return np.stack(maps).sum(-1)
    if case == "xrai":
        maps = [
            pair.XRAI().GetMask(image.astype(np.float64), gradients, int(label), batch_size=20)
            for image, label in zip(pictures, labels, strict=True)
        ]
        return np.stack(maps)
    raise ValueError(f"unknown case {case!r}")


@functools.cache
def without_reuse() -> torch.nn.Module:
    """The model with each ReLU a module of its own: Captum's DeepLIFT refuses one that is used twice."""

    def forward(block: Any, x: torch.Tensor) -> torch.Tensor:
        out = block.relus[0](block.bn1(block.conv1(x)))
        out = block.bn3(block.conv3(block.relus[1](block.bn2(block.conv2(out)))))
        return block.relus[2](out + (x if block.downsample is None else block.downsample(x)))

    whole = copy.deepcopy(model)
    for block in [one for one in whole.modules() if hasattr(one, "conv3")]:
        block.relus = torch.nn.ModuleList(torch.nn.ReLU() for _ in range(3))
        block.forward = types.MethodType(forward, block)
    return whole


def kernel_shap(x: torch.Tensor, label: int, stripes: int = 7, batch: int = 32) -> np.ndarray:
    """`[1, H, W]`: the Shapley value of each stripe of one image, from all sets of them."""
    place = torch.arange(x.shape[2]) * stripes // x.shape[2]

    def scores(kept: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            masks = torch.as_tensor(kept, dtype=torch.float32)[:, place, None][:, None]
            return np.concatenate([model(x * part)[:, label].numpy() for part in masks.split(batch)])

    explainer = shap.KernelExplainer(scores, np.zeros((1, stripes)), silent=True)
    values = explainer.shap_values(np.ones((1, stripes)), nsamples=2**stripes - 2, l1_reg=False, silent=True)
    return np.broadcast_to(np.asarray(values).reshape(stripes)[place][None, :, None], (1, *x.shape[2:]))


def allow_interpolation(quantile: Any) -> Any:
    """saliency 0.2.1 passes an argument that NumPy has dropped under this name."""
    return lambda values, q, interpolation="linear": quantile(values, q, method=interpolation)


answers, sys.stdout = sys.stdout, sys.stderr  # the packages print too
np.quantile = allow_interpolation(np.quantile)
torch.set_num_threads(int(sys.argv[2]))
model = make_model()
np.savez(FOLDER / "weights.npz", **{name: value.numpy() for name, value in model.state_dict().items()})
packages = ("torch", "torchvision", "grad-cam", "captum", "saliency", "shap", "numpy")
say(versions={name: metadata.version(name) for name in packages}, threads=torch.get_num_threads())
for line in sys.stdin:
    request = json.loads(line)
    images = torch.as_tensor(np.load(FOLDER / "images.npy")[: request["images"]].transpose(0, 3, 1, 2))
    classes = torch.arange(request["images"])
    start = time.perf_counter()
    result = run(request["case"], images.to(memory_format=torch.channels_last), classes, request["options"])
    seconds = time.perf_counter() - start
    np.save(FOLDER / "maps.npy", np.asarray(result, np.float32))
    say(seconds=seconds)
