"""Writes the table of converted PyTorch models in docs/studies/models.md: how far JAX is from PyTorch.

python -m venv peer && peer/bin/pip install torch==2.13.0 torchvision==0.28.0 timm . && export JAX_PLATFORMS=cpu
peer/bin/python tests/parity/torch_table.py --rows rows.jsonl [--only NAME ...] [--write docs/studies/models.md]

Each model has random weights, random batch-norm statistics and random scales and biases, in evaluation mode. Errors are
the largest difference over the largest magnitude, of the logits, of the gradient of a random mixture of logits with
respect to the image, and of Grad-CAM's map (before ReLU and resizing) at the classifier's default layer, in float64 and
in float32 on both sides. A row that is in the file already is not computed again.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

try:
    import torchvision
except RuntimeError:  # a torchvision without its compiled operators
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
import timm
from torch import nn

from xaijax import models

jax.config.update("jax_enable_x64", True)
warnings.filterwarnings("ignore")

MARKS = ("<!-- converted: written by tests/parity/torch_table.py -->", "<!-- end -->")


class Small(nn.Module):
    """A custom CNN of one channel: transposed convolution, group norm, several activations, two poolings."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 5, 2, 2), nn.InstanceNorm2d(8, affine=True), nn.LeakyReLU(0.1))
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.down = nn.Sequential(nn.Conv2d(8, 16, 3, padding="same", dilation=2), nn.BatchNorm2d(16), nn.ELU())
        self.up = nn.ConvTranspose2d(16, 8, 3, 2, 1, 1)
        self.mix = nn.Sequential(nn.PReLU(8), nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.GroupNorm(2, 8))
        self.head = nn.Sequential(nn.Flatten(), nn.LazyLinear(12), nn.Softplus(), nn.Dropout(), nn.Linear(12, 5))

    def forward(self, x: Any) -> Any:
        x = self.down(self.pool(self.stem(x)))
        x = nn.functional.interpolate(self.mix(self.up(x)), scale_factor=0.5, mode="bilinear")
        return self.head(x)


TORCHVISION = {
    "resnet18": (64, 97),
    "resnet50": (64, 97),
    "resnext50_32x4d": (64,),
    "wide_resnet50_2": (64,),
    "regnet_y_400mf": (64, 97),
    "regnet_x_400mf": (64,),
    "densenet121": (64, 97),
    "efficientnet_b0": (64, 97),
    "efficientnet_v2_s": (64,),
    "mobilenet_v2": (64, 97),
    "mobilenet_v3_small": (64, 97),
    "mobilenet_v3_large": (64,),
    "convnext_tiny": (64, 97),
    "swin_t": (64, 96),
    "swin_v2_t": (64,),
    "vit_b_32": (224,),
    "maxvit_t": (224,),
    "inception_v3": (96, 139),
    "googlenet": (64,),
    "squeezenet1_1": (64, 97),
    "shufflenet_v2_x0_5": (64, 97),
    "vgg11_bn": (64,),
    "alexnet": (64,),
    "mnasnet0_5": (64,),
}
TIMM = {
    "resnet26d": (64, 97),
    "resnet18.in_chans=1.num_classes=14": (64,),
    "resnetv2_50": (64,),
    "regnety_002": (64,),
    "densenet121": (64,),
    "efficientnet_b0": (64,),
    "tf_efficientnet_b0": (64, 97),
    "tf_efficientnetv2_b0": (64,),
    "mobilenetv2_050": (64,),
    "mobilenetv3_small_050": (64,),
    "convnext_atto": (64, 97),
    "convnextv2_atto": (64,),
    "swin_tiny_patch4_window7_224": (224,),
    "swinv2_tiny_window8_256": (256,),
    "vit_small_patch16_224": (224,),
    "vit_base_patch32_224": (224,),
    "deit_tiny_distilled_patch16_224": (224,),
    "deit3_small_patch16_224": (224,),
    "vit_small_patch14_dinov2.img_size=112": (112,),
    "vit_small_patch14_reg4_dinov2.img_size=112": (112,),
    "beit_base_patch16_224": (224,),
    "maxvit_pico_rw_256": (256,),
    "coatnet_pico_rw_224": (224,),
    "coat_tiny": (224,),
    "cait_xxs24_224": (224,),
    "xcit_nano_12_p16_224": (64,),
    "pvt_v2_b0": (64,),
    "poolformerv2_s12": (64,),
    "mixer_s32_224": (224,),
    "mobilevit_xxs": (64,),
    "eca_resnet33ts": (64,),
    "levit_128s": (224,),
    "ghostnet_050": (64,),
    "hrnet_w18_small": (64,),
    "nfnet_l0": (64,),
    "res2net50_14w_8s": (64,),
    "inception_v4": (96,),
    "inception_resnet_v2": (96,),
    "xception41": (64,),
    "repvgg_a0": (64,),
    "dpn48b": (64,),
    "vovnet39a": (64,),
    "eva02_tiny_patch14_224": (224,),
    "davit_tiny": (224,),
    "focalnet_tiny_srf": (224,),
    "edgenext_xx_small": (64,),
    "cspdarknet53": (64,),
    "crossvit_tiny_240": (240,),
    "tiny_vit_5m_224": (224,),
    "efficientvit_b0": (64,),
    "repvit_m0_9": (64,),
}


def make(source: str, name: str) -> nn.Module:
    """A model by name; "NAME.option=value" passes options."""
    words = name.split(".")
    options = {key: int(value) for key, _, value in (word.partition("=") for word in words[1:])}
    if source == "torchvision":
        if name in ("inception_v3", "googlenet"):
            options |= {"init_weights": False, "aux_logits": False}
        return torchvision.models.get_model(words[0], weights=None, **options)
    return timm.create_model(words[0], **options) if source == "timm" else Small()


def randomise(module: nn.Module) -> nn.Module:
    """Random scales, biases and statistics, so that none of them could be forgotten unseen."""
    for name, value in module.named_parameters():
        with torch.no_grad():
            if name.endswith("bias"):
                value.normal_(0, 0.1)
            elif value.ndim <= 1 or value.numel() == max(value.shape):
                value.uniform_(0.5, 1.5)
            elif not value.abs().sum():
                value.normal_(0, 0.1)
    for name, value in module.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(0, 0.2)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return module.eval()


def peer(module: nn.Module, images: np.ndarray, mixture: np.ndarray, layer: str, shape: tuple[int, ...]) -> Any:
    """PyTorch's logits, gradient to the image, and Grad-CAM's map at a layer of this shape with channels last."""
    logits, to_image, output = run(module, images, mixture, layer)
    values, grads = (as_shown(array.detach().numpy(), shape) for array in (output, output.grad))
    return logits, to_image, cam(values, grads)


def at_layer(module: nn.Module, images: np.ndarray, mixture: np.ndarray, layer: str, shape: tuple[int, ...]) -> Any:
    """PyTorch's activations at a layer and their gradient, channels last."""
    output = run(module, images, mixture, layer)[2]
    return tuple(as_shown(array.detach().numpy(), shape) for array in (output, output.grad))


def run(module: nn.Module, images: np.ndarray, mixture: np.ndarray, layer: str) -> Any:
    """Logits, the gradient of their mixture to the image, and what a layer returned, with its gradient."""
    path, _, call = layer.partition("@")
    seen: list[Any] = []

    def hook(_: Any, __: Any, output: Any) -> Any:
        output = output.clone()
        output.retain_grad()
        seen.append(output)
        return output + 0  # what follows may work in place

    handle = module.get_submodule(path).register_forward_hook(hook)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2)).clone().requires_grad_()
    logits = module(x)
    (logits * torch.from_numpy(mixture)).sum().backward()
    handle.remove()
    return logits.detach().numpy(), x.grad.numpy().transpose(0, 2, 3, 1), seen[int(call or 0)]


def as_shown(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Activations as `[B, h, w, C]`."""
    if array.ndim == 3:  # tokens, class and register tokens first
        return array[:, array.shape[1] - shape[0] * shape[1] :].reshape(array.shape[0], *shape)
    return array if array.shape[1:] == shape else array.transpose(0, 2, 3, 1)


def cam(values: np.ndarray, grads: np.ndarray) -> np.ndarray:
    """Grad-CAM before ReLU."""
    return np.einsum("bhwc,bc->bhw", values, grads.mean((1, 2)))


def ours(classifier: Any, images: np.ndarray, mixture: np.ndarray) -> Any:
    """The same of the classifier."""
    layer = classifier.default_layer

    def score(x: Any, offsets: Any) -> Any:
        logits, taps = classifier.tapped(classifier.params, x, offsets)
        return (logits * mixture).sum(), (logits, taps)

    x = jnp.asarray(images)
    offsets = classifier.zero_offsets(x, [layer])
    run = jax.jit(jax.grad(score, argnums=(0, 1), has_aux=True))
    (to_image, to_layer), (logits, taps) = run(x, offsets)
    return np.asarray(logits), np.asarray(to_image), cam(np.asarray(taps[layer]), np.asarray(to_layer[layer]))


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference over largest magnitude."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def row(source: str, name: str, size: int) -> dict[str, Any]:
    """One row of the table."""
    torch.manual_seed(0)
    module = make(source, name)
    channels = 1 if source == "custom" or "in_chans=1" in name else 3
    if source == "custom":
        module(torch.zeros(1, 1, size, size))
    module = randomise(module)
    random = np.random.default_rng(0)
    images = random.uniform(-2, 2, (2, size, size, channels))
    found: dict[str, Any] = {"source": source, "name": name, "size": size}
    for dtype in (np.float64, np.float32):
        module = module.to(torch.float64 if dtype == np.float64 else torch.float32)
        start = time.time()
        classifier = models.from_torch(module, input_shape=(size, size, channels), preprocess="identity")
        found["convert"] = round(time.time() - start, 1)
        x = images.astype(dtype)
        mixture = random.normal(size=(2, len(classifier.classes))).astype(dtype)
        layer = classifier.default_layer
        found["layer"] = layer
        wanted = peer(module, x, mixture, layer, classifier.layers()[layer])
        errors = [error(one, other) for one, other in zip(ours(classifier, x, mixture), wanted, strict=True)]
        found[np.dtype(dtype).name] = errors
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| architecture | source | size (px) | default layer | logits | gradient | Grad-CAM | logits (float32) | "
        "gradient (float32) | Grad-CAM (float32) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in sorted(rows, key=lambda one: (one["source"], one["name"], one["size"])):
        numbers = " | ".join(f"{value:.0e}" for value in (*one["float64"], *one["float32"]))
        name = one["name"].replace(".", ", ")
        lines.append(f"| {name} | {one['source']} | {one['size']} | `{one['layer']}` | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=Path, required=True, help="file of rows, one JSON object a line")
    parser.add_argument("--only", nargs="*", default=(), help="names of architectures; default: all")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks of the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    there = {(one["source"], one["name"], one["size"]) for one in rows}
    groups = {"custom": {"small_cnn_1_channel": (64, 75)}, "torchvision": TORCHVISION, "timm": TIMM}
    models_of = [(source, name, sizes) for source, group in groups.items() for name, sizes in group.items()]
    wanted = [(source, name, sizes[0]) for source, name, sizes in models_of]  # one size of each first
    wanted += [(source, name, size) for source, name, sizes in models_of for size in sizes[1:]]
    for one in wanted:
        if one in there or (options.only and one[1] not in options.only):
            continue
        try:
            found = row(*one)
        except Exception as problem:  # the others are computed all the same
            print(*one, "FAILED", type(problem).__name__, " ".join(str(problem).split())[:400], flush=True)
            continue
        print(json.dumps(found), flush=True)
        rows.append(found)
        with options.rows.open("a") as file:
            file.write(json.dumps(found) + "\n")
        jax.clear_caches()
    if options.write is not None:
        text = options.write.read_text()
        before, rest = text.split(MARKS[0])
        options.write.write_text(f"{before}{MARKS[0]}\n{table(rows)}\n{MARKS[1]}{rest.split(MARKS[1], 1)[1]}")


if __name__ == "__main__":
    main()
