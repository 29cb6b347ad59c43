"""Makes tests/explain/data/zoo_*.npz: the peers' maps for torchvision's ResNet-34 and VGG16 with weights of zoo_recipe.

Run in the environment that explain_peers.py describes, from the repository's root:

    peers/bin/python tests/parity/explain_zoo.py [resnet34 vgg16 paths]

Neither weights nor images are stored: both sides make them from zoo_recipe. Class activation maps are kept at every
third pixel of both axes, attributions as sums over channels.
"""

import sys
from importlib import metadata
from pathlib import Path
from unittest import mock

import explain_peers as shared  # first: it makes torchvision importable
import numpy as np
import torch
import torchvision
import zoo_recipe as recipe

captum, pair, pgc = shared.captum, shared.pair, shared.pgc
DATA = Path(__file__).parents[1] / "explain" / "data"
CLASSES = 20
# name -> (side, {our layer: the peer's module})
MODELS = {
    "resnet34": (96, {"stage4": "layer4", "stage2": "layer2"}),
    "vgg16": (64, {"block5": "features.29", "block3": "features.15"}),
}
CAMS = {
    "grad_cam": pgc.GradCAM,
    "grad_cam_pp": pgc.GradCAMPlusPlus,
    "xgrad_cam": pgc.XGradCAM,
    "layer_cam": pgc.LayerCAM,
    "hires_cam": pgc.HiResCAM,
    "eigen_cam": pgc.EigenCAM,
    "eigen_grad_cam": pgc.EigenGradCAM,
    "score_cam": pgc.ScoreCAM,
    "ablation_cam": pgc.AblationCAM,
    "fullgrad": pgc.FullGrad,
}
# A pass for every channel: the layers that are compared. The peer's Ablation-CAM fails on two layers.
COSTLY = {
    ("resnet34", "score_cam"): ("stage2",),
    ("resnet34", "ablation_cam"): ("stage4", "stage2"),
    ("vgg16", "score_cam"): ("block3",),
    ("vgg16", "ablation_cam"): ("block5",),
}
RULES = {
    "gauss_legendre": "gausslegendre",
    "left": "riemann_left",
    "right": "riemann_right",
    "middle": "riemann_middle",
    "trapezoid": "riemann_trapezoid",
}
GUIDED = ((0.25, 0.02, 40), (0.5, 1.0, 25))  # fraction, max_dist, steps; the second is the brain-MRI study's
SMALL = 64  # side of the path methods' images


def build(name: str, **options: object) -> tuple[torch.nn.Module, dict[str, list[int]]]:
    """The peer's model, and the shapes of its entries."""
    model = getattr(torchvision.models, name)(weights=None, num_classes=CLASSES, **options).eval()
    entries = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
    with torch.no_grad():
        for key, value in entries.items():
            value.copy_(torch.from_numpy(recipe.weight(key, tuple(value.shape), True)))
    return model, {key: list(value.shape) for key, value in entries.items()}


def save(name: str, out: dict[str, np.ndarray]) -> None:
    """Writes an array file that says what made it."""
    packages = ("torch", "torchvision", "grad-cam", "captum", "saliency", "scikit-image", "numpy")
    versions = {package: metadata.version(package) for package in packages}
    out["made_by"] = np.array(f"python tests/parity/explain_zoo.py; Python {sys.version.split()[0]}, {versions}")
    path = DATA / f"zoo_{name}.npz"
    np.savez_compressed(path, **out)
    print(path, path.stat().st_size, "bytes", flush=True)


def class_activation_maps(name: str) -> None:
    """Ten methods of pytorch-grad-cam, alone on two layers and fused."""
    side, layers = MODELS[name]
    model, entries = build(name)
    images = recipe.scenes(2, side)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        logits = model(x).numpy()
    # Two classes with large positive logits: a ReLU leaves nothing of most maps for a class of a negative one.
    first = int(logits[0].argmax())
    labels = np.array([first, np.delete(np.arange(CLASSES), first)[np.delete(logits[1], first).argmax()]])
    targets = [shared.ClassifierOutputTarget(int(label)) for label in labels]
    out = {"logits": logits, "labels": labels, "side": np.array(side)}
    out["entries"] = np.frombuffer(str(entries).replace("'", '"').encode(), np.uint8)
    for method, make in CAMS.items():
        chosen = {layer: [model.get_submodule(path)] for layer, path in layers.items()}
        if method == "fullgrad":
            chosen = {"all": []}
        elif (name, method) in COSTLY:
            chosen = {layer: chosen[layer] for layer in COSTLY[name, method]}
        elif method not in ("eigen_cam", "eigen_grad_cam"):  # signs of singular vectors are arbitrary layer by layer
            chosen["both"] = [module for modules in chosen.values() for module in modules]
        for layer, modules in chosen.items():
            with make(model=model, target_layers=modules) as cam:
                found = np.asarray(cam(input_tensor=x.clone(), targets=targets), np.float32)
            out[f"{method}:{layer}"] = found[:, 1::3, 1::3]
            print(name, method, layer, found.shape, "std", found.std((1, 2)).round(3), flush=True)
    save(f"{name}_cam", out)


def paths() -> None:
    """Path methods of PAIR and Captum, in float64, on ResNet-34 and on functions whose gradients are known."""
    model, entries = build("resnet34")
    model = model.double()
    image = recipe.scenes(1, SMALL)[0].astype(np.float64)
    x = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
    label = int(model(x).argmax())
    out = {"label": np.array(label), "entries": np.frombuffer(str(entries).replace("'", '"').encode(), np.uint8)}
    integrated = captum.attr.IntegratedGradients(model)
    for rule, theirs in RULES.items():
        found = integrated.attribute(x, target=label, n_steps=12, method=theirs)
        out[f"captum:ig:{rule}"] = found.detach().numpy()[0].sum(0).astype(np.float32)

    def network(batch: np.ndarray, call_model_args: int, expected_keys: list) -> dict:
        points = torch.as_tensor(np.asarray(batch, np.float64).transpose(0, 3, 1, 2)).requires_grad_()
        (grads,) = torch.autograd.grad(model(points)[:, call_model_args].sum(), points)
        return {pair.INPUT_OUTPUT_GRADIENTS: grads.numpy().transpose(0, 2, 3, 1)}

    def analytic(batch: np.ndarray, call_model_args: int, expected_keys: list) -> dict:
        return {pair.INPUT_OUTPUT_GRADIENTS: recipe.analytic_gradients(np.asarray(batch, np.float64), call_model_args)}

    np.quantile = shared.allow_interpolation(np.quantile)
    tiny = recipe.scenes(1, 24)[0].astype(np.float64)
    cases = {"resnet34": (image, network, label)}
    cases |= {name: (tiny, analytic, which) for which, name in enumerate(recipe.ANALYTIC)}
    for name, (picture, call, which) in cases.items():
        black = np.zeros_like(picture)
        found = {
            "ig": pair.IntegratedGradients().GetMask(picture, call, which, x_steps=25, x_baseline=black, batch_size=25),
            "blur_ig": pair.BlurIG().GetMask(picture, call, which, max_sigma=8, steps=20, batch_size=20),
        }
        for fraction, max_dist, steps in GUIDED:
            found[f"guided_ig:{fraction}:{max_dist}:{steps}"] = pair.GuidedIG().GetMask(
                picture, call, which, x_steps=steps, x_baseline=black, max_dist=max_dist, fraction=fraction
            )
        draws = recipe.stream(f"draws {name}").normal(size=(6, *picture.shape)).astype(np.float32)
        for statistic, magnitude in (("square", True), ("mean", False)):
            with mock.patch("numpy.random.normal", shared.given_noise(draws.astype(np.float64))):
                found[f"smoothgrad:{statistic}"] = pair.GradientSaliency().GetSmoothedMask(
                    picture, call, which, nsamples=6, magnitude=magnitude
                )
        out |= {f"{name}:{method}": value.sum(-1).astype(np.float32) for method, value in found.items()}
        for algorithm in ("full", "fast"):
            options = pair.XRAIParameters(
                steps=20, algorithm=algorithm, return_xrai_segments=True, return_ig_attributions=True
            )
            details = pair.XRAI().GetMaskWithDetails(picture, call, which, batch_size=20, extra_parameters=options)
            out[f"{name}:xrai:{algorithm}"] = details.attribution_mask.astype(np.float32)
            out[f"{name}:xrai:{algorithm}:ranks"] = details.segments.astype(np.int16)
        print(name, "done", flush=True)
    save("paths", out)


def main() -> None:
    torch.set_num_threads(1)
    names = sys.argv[1:] or [*MODELS, "paths"]
    for name in names:
        paths() if name == "paths" else class_activation_maps(name)


if __name__ == "__main__":
    main()
