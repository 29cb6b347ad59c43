"""Quantus in its own interpreter, as a black box through its public classes; metric_peers.py starts it.

Requests are those of kernel_peers.serve: a function's name and a file with its arguments. Maps are `[B, H, W]`, images
`[B, H, W, C]`, as on our side; Quantus has channels first.
"""

import sys
from importlib import metadata
from typing import Any

import numpy as np

from peers_model import make_model  # isort: skip  first: it lets torchvision be imported

import kernel_peers
import torch

np.trapz = np.trapezoid  # noqa: NPY201  Quantus 0.6.0 asks for a name that NumPy 2.4 no longer has
import quantus  # noqa: E402

MAPS_ALONE = {
    "sparseness": quantus.Sparseness,
    "entropy": quantus.Complexity,
    "pointing_game": quantus.PointingGame,
    "rank_accuracy": quantus.RelevanceRankAccuracy,
    "mass_accuracy": quantus.RelevanceMassAccuracy,
    "top15_precision": quantus.TopKIntersection,
    "roc_auc": quantus.AUC,
}
QUIET = {"disable_warnings": True, "display_progressbar": False}


class ChannelsLast(torch.nn.Module):
    """ResNet-50 in the layout in which PyTorch is fastest on the CPU; its last layer scaled up, so that random weights
    give probabilities that answer to changes of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.model = make_model()
        self.model.fc.weight.data *= 30
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.model(x.contiguous(memory_format=torch.channels_last))


class Linear(torch.nn.Module):
    """Logits linear in the pixels of an image with one channel; remembers the images it has seen."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.tensor(weights))
        self.seen: list[np.ndarray] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach().numpy())
        return x.reshape(len(x), -1) @ self.weights


def channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def weights(path: np.ndarray) -> tuple[()]:
    """Writes the model's weights."""
    np.savez(str(path), **{name: value.numpy() for name, value in model.model.state_dict().items()})
    return ()


def of_maps(name: str) -> Any:
    """A function of maps and masks for a metric that needs no model."""

    def score(maps: np.ndarray, masks: np.ndarray, k: np.ndarray) -> np.ndarray:
        more = {"k": int(k)} if name == "top15_precision" else {}
        x = np.zeros((len(maps), 1, *maps.shape[1:]), np.float32)
        found = MAPS_ALONE[name](**more, **QUIET)(
            model=linear_of_nothing,
            x_batch=x,
            y_batch=np.zeros(len(maps), int),
            a_batch=maps[:, None],
            s_batch=masks[:, None],
            channel_first=True,
        )
        return np.asarray(found, np.float64)

    return score


def forward(images: np.ndarray, labels: np.ndarray, calls: np.ndarray, threads: np.ndarray) -> tuple[()]:
    """The model alone, as often as a metric calls it."""
    torch.set_num_threads(int(threads))
    x = torch.as_tensor(channels_first(images))
    with torch.inference_mode():
        for _ in range(int(calls)):
            torch.softmax(model(x), 1).numpy()
    return ()


def pixel_flipping(
    images: np.ndarray, labels: np.ndarray, maps: np.ndarray, steps: np.ndarray, threads: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Curves `[B, steps]`, and calls of the model. Each channel of a pixel is a feature of its own."""
    torch.set_num_threads(int(threads))
    metric = quantus.PixelFlipping(features_in_step=images[0].size // int(steps), **QUIET)
    return perturbed(metric, images, labels, maps)


def region_perturbation(
    images: np.ndarray,
    labels: np.ndarray,
    maps: np.ndarray,
    patch: np.ndarray,
    regions: np.ndarray,
    threads: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Falls of the probability `[B, regions]`, and calls of the model."""
    torch.set_num_threads(int(threads))
    metric = quantus.RegionPerturbation(patch_size=int(patch), regions_evaluation=int(regions), **QUIET)
    return perturbed(metric, images, labels, maps)


def perturbed(metric: Any, images: np.ndarray, labels: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model.calls = 0
    return np.asarray(scored(metric, model, images, labels, maps, softmax=True)), np.array(model.calls)


def scored(
    metric: Any, asked: torch.nn.Module, images: np.ndarray, labels: np.ndarray, maps: np.ndarray, **more: Any
) -> Any:
    """What a metric says of a model, with arrays as our side has them."""
    return metric(
        model=asked,
        x_batch=channels_first(images),
        y_batch=labels,
        a_batch=maps[:, None],
        channel_first=True,
        **more,
    )


def road(
    images: np.ndarray, labels: np.ndarray, maps: np.ndarray, weights: np.ndarray, threads: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy `[9]` at 10 to 90 % imputed without noise, and the imputed images `[9, B, H, W, 1]`."""
    torch.set_num_threads(int(threads))
    given = Linear(weights).eval()
    metric = quantus.ROAD(percentages=list(range(10, 100, 10)), noise=0.0, **QUIET)
    found = scored(metric, given, images, labels, maps, softmax=True)
    return np.asarray([found[key] for key in sorted(found)], np.float64), np.moveaxis(np.stack(given.seen), 2, -1)


def gradient(images: np.ndarray, labels: np.ndarray, calls: np.ndarray, threads: np.ndarray) -> np.ndarray:
    """Maps `[B, H, W]` of the gradient summed over channels; the explainer alone, as often as a metric calls it."""
    torch.set_num_threads(int(threads))
    x = channels_first(images)
    for _ in range(int(calls)):
        maps = explain(model, x, labels)[:, 0]
    return maps


def explain(model: torch.nn.Module, inputs: Any, targets: Any, **_: Any) -> np.ndarray:
    x = torch.as_tensor(np.asarray(inputs, np.float32)).requires_grad_()
    with torch.enable_grad():
        logits = model(x)
        chosen = logits.gather(1, torch.as_tensor(np.asarray(targets, np.int64))[:, None]).sum()
        return torch.autograd.grad(chosen, x)[0].sum(1, keepdim=True).numpy()


def sensitivity(
    images: np.ndarray,
    labels: np.ndarray,
    maps: np.ndarray,
    deltas: np.ndarray,
    lipschitz: np.ndarray,
    threads: np.ndarray,
) -> np.ndarray:
    """`[B]`, with draws `[N, B, H, W, C]` that are given."""
    torch.set_num_threads(int(threads))
    left = iter([channels_first(draw) for draw in deltas])
    kind = quantus.LocalLipschitzEstimate if lipschitz else quantus.MaxSensitivity
    metric = kind(
        nr_samples=len(deltas),
        normalise=False,
        perturb_func=lambda arr, **_: arr + next(left).reshape(arr.shape),
        **QUIET,
    )
    return np.asarray(scored(metric, model, images, labels, maps, explain_func=explain), np.float64)


if __name__ == "__main__":
    import json

    model, linear_of_nothing = ChannelsLast().eval(), Linear(np.zeros((1, 2), np.float32)).eval()
    kernel_peers.settle_allocator()
    answers, sys.stdout = sys.stdout, sys.stderr  # the package prints too
    names = ("quantus", "torch", "numpy", "scipy", "scikit-learn")
    print(json.dumps({"versions": {name: metadata.version(name) for name in names}}), file=answers, flush=True)
    functions = {name: of_maps(name) for name in MAPS_ALONE}
    functions |= {
        call.__name__: call
        for call in (weights, forward, pixel_flipping, region_perturbation, road, gradient, sensitivity)
    }
    kernel_peers.serve(functions, answers)
