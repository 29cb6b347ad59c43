"""Makes tests/models/data/{torchvision,timm}_*.npz: logits and endpoints of the peers, with weights from zoo_recipe.

python -m venv peer && peer/bin/pip install torch==2.13.0 torchvision==0.28.0 timm
peer/bin/python tests/parity/zoo_torch.py tests/models/data [name ...]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zoo_recipe as recipe

try:
    import torchvision
except RuntimeError:  # a torchvision without its compiled operators
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision


def vgg(depths: tuple[int, ...]) -> list[tuple[str, Any]]:
    """The ReLUs of a VGG, which torchvision numbers together with convolutions and pools."""
    table, index = [], 0
    for block, depth in enumerate(depths, 1):
        for number in range(1, depth + 1):
            table.append((rf"features\.{index + 1}", lambda block=block, number=number: f"block{block}.conv{number}"))
            index += 2
        index += 1
    return table


def following(number: str) -> int:
    """The peers count from 0, we from 1."""
    return int(number) + 1


USUAL_SIDES, INCEPTION_SIDES, VIT_SIDES = (64, 224, 213), (96, 299, 277), (64, 224, 208)
RESNET = [
    (r"relu|act1", lambda: "stem"),
    (r"layer(\d)\.(\d+)", lambda stage, block: f"stage{stage}.block{following(block)}"),
]
DENSENET = [
    (r"features\.relu0", lambda: "stem"),
    (r"features\.denseblock(\d)", lambda block: f"block{block}"),
    (r"features\.transition(\d)", lambda block: f"transition{block}"),
    (r"features\.norm5", lambda: "top"),  # rectified in place behind the hook, which keeps no copy
]
INCEPTION = [
    (r"Conv2d_(1a|2a|2b)_.*x\d", lambda name: f"stem.conv{name}"),
    (r"Conv2d_(3b|4a)_.*x\d", lambda name: f"stem2.conv{name}"),
    (r"Mixed_(\d\w)", lambda name: f"mixed_{name}"),
]
EFFICIENTNET = [
    (r"features\.0", lambda: "stem"),
    (r"features\.8", lambda: "top"),
    (r"features\.([1-7])\.(\d+)", lambda stage, block: f"stage{stage}.block{following(block)}"),
]
VIT = [
    (r"conv_proj", lambda: "patches"),
    (r"encoder\.layers\.encoder_layer_(\d+)", lambda block: f"blocks.block{following(block)}"),
    (
        r"encoder\.layers\.encoder_layer_(\d+)\.ln_(\d)",
        lambda block, norm: f"blocks.block{following(block)}.norm{norm}",
    ),
]
MOBILENET = [
    (r"features\.0", lambda: "stem"),
    (r"features\.18", lambda: "top"),
    (r"features\.(\d+)", lambda block: f"blocks.block{int(block) - 1}"),
]
FIRES = {3: 2, 4: 3, 5: 4, 7: 5, 8: 6, 9: 7, 10: 8, 12: 9}
SQUEEZENET = [(rf"features\.{index}", lambda fire=fire: f"fire{fire}") for index, fire in FIRES.items()]
# library -> our name -> (sides, peer module -> our layer)
MODELS: dict[str, dict[str, Any]] = {
    "torchvision": {
        "vgg16": (USUAL_SIDES, vgg((2, 2, 3, 3, 3))),
        "vgg19": (USUAL_SIDES, vgg((2, 2, 4, 4, 4))),
        "resnet34": (USUAL_SIDES, RESNET),
        "resnet50": (USUAL_SIDES, RESNET),
        "resnet101": (USUAL_SIDES, RESNET),
        "densenet121": (USUAL_SIDES, DENSENET),
        "densenet161": (USUAL_SIDES, DENSENET),
        "inception_v3": (INCEPTION_SIDES, INCEPTION),
        "efficientnet_b0": (USUAL_SIDES, EFFICIENTNET),
        "vit_b16": (VIT_SIDES, VIT),
        "mobilenet_v2": (USUAL_SIDES, MOBILENET),
        "squeezenet": (USUAL_SIDES, SQUEEZENET),
    },
    "timm": {
        "inception_resnet_v2": (
            INCEPTION_SIDES,
            [
                (r"conv2d_(1a|2a|2b)", lambda name: f"stem.conv{name}"),
                (r"conv2d_(3b|4a)", lambda name: f"stem2.conv{name}"),
                (r"mixed_(5b|6a|7a)", lambda name: f"mixed_{name}"),
                (r"repeat\.(\d+)", lambda block: f"block35.block{following(block)}"),
                (r"repeat_1\.(\d+)", lambda block: f"block17.block{following(block)}"),
                (r"repeat_2\.(\d+)", lambda block: f"block8.block{following(block)}"),
                (r"block8", lambda: "block8.block10"),
                (r"conv2d_7b", lambda: "top"),
            ],
        ),
        "efficientnet_b0": (
            USUAL_SIDES,
            [
                (r"bn1", lambda: "stem"),
                (r"bn2", lambda: "top"),
                (r"blocks\.(\d)\.(\d+)", lambda stage, block: f"stage{following(stage)}.block{following(block)}"),
            ],
        ),
        "vit_b16": (
            VIT_SIDES,
            [
                (r"blocks\.(\d+)", lambda block: f"blocks.block{following(block)}"),
                (r"blocks\.(\d+)\.norm(\d)", lambda block, norm: f"blocks.block{following(block)}.norm{norm}"),
            ],
        ),
        "resnet50": (USUAL_SIDES, RESNET),
    },
}
NAMES = {
    ("torchvision", "vit_b16"): "vit_b_16",
    ("torchvision", "squeezenet"): "squeezenet1_0",
    ("timm", "vit_b16"): "vit_base_patch16_224",
}


def build(library: str, name: str, side: int) -> torch.nn.Module:
    """The peer for images of one size."""
    if library == "timm":
        import timm

        return timm.create_model(name, pretrained=False, **({"img_size": side} if name.startswith("vit") else {}))
    options = {"image_size": side} if name.startswith("vit") else {}
    if name == "inception_v3":
        options = {"aux_logits": False, "init_weights": False}
    return getattr(torchvision.models, name)(weights=None, **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for library, ours, (sides, table) in ((peer, *item) for peer in MODELS for item in MODELS[peer].items()):
        file = arguments.folder / f"{library}_{ours}.npz"
        if arguments.names and file.stem not in arguments.names:
            continue
        out: dict[str, np.ndarray] = {}
        for kind, side in zip((recipe.SMALL, recipe.USUAL, recipe.ODD), sides, strict=True):
            model = build(library, NAMES.get((library, ours), ours), side).eval()
            entries = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
            with torch.no_grad():
                for key, value in entries.items():
                    value.copy_(torch.from_numpy(recipe.weight(key, tuple(value.shape), True)))
            seen: dict[str, np.ndarray] = {}
            for layer, path in recipe.endpoints(dict(model.named_modules()), table).items():

                def keep(module: Any, inputs: Any, output: Any, layer: str = layer, seen: Any = seen) -> None:
                    seen[layer] = output.detach().numpy()

                model.get_submodule(path).register_forward_hook(keep)
            images = recipe.images(2 if kind == recipe.SMALL else 1, side)
            with torch.no_grad():
                out[f"{kind}/logits"] = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
            for layer, value in seen.items():
                if value.ndim == 3:  # tokens behind a class token
                    grid = round((value.shape[1] - 1) ** 0.5)
                    value = value[:, 1:].reshape(len(value), grid, grid, -1)
                else:
                    value = value.transpose(0, 2, 3, 1)
                out[f"{kind}/at/{layer}"] = recipe.summary(value).astype(np.float32)
            spec = {"side": side, "entries": {key: list(value.shape) for key, value in entries.items()}}
            out[f"{kind}/spec"] = np.frombuffer(json.dumps(spec).encode(), np.uint8)
        np.savez_compressed(file, **out)
        print(file, file.stat().st_size, len(seen), "endpoints", flush=True)


if __name__ == "__main__":
    main()
