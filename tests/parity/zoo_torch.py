"""Makes tests/models/data/{torchvision,timm}_*.npz: logits and endpoints of the peers, with weights from zoo_recipe.

python -m venv peer && peer/bin/pip install torch==2.13.0 torchvision==0.28.0 timm
peer/bin/python tests/parity/zoo_torch.py tests/models/data [name ...]
"""

import argparse
import json
from pathlib import Path

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

STAGES = {f"layer{i}": f"stage{i}" for i in range(1, 5)}
DENSE = {f"features.denseblock{i}": f"block{i}" for i in range(1, 5)}
# our name -> (sides, peer module -> our layer)
MODELS = {
    "vgg16": ((64, 224, 213), {"features.15": "block3", "features.29": "block5"}),
    "vgg19": ((64, 224, 213), {"features.17": "block3", "features.35": "block5"}),
    "resnet34": ((64, 224, 213), STAGES),
    "resnet50": ((64, 224, 213), STAGES),
    "resnet101": ((64, 224, 213), STAGES),
    "densenet121": ((64, 224, 213), DENSE),
    "densenet161": ((64, 224, 213), DENSE),
    "inception_v3": (
        (96, 299, 277),
        {
            "Mixed_5b": "mixed_5b",
            "Mixed_6a": "mixed_6a",
            "Mixed_6e": "mixed_6e",
            "Mixed_7a": "mixed_7a",
            "Mixed_7c": "mixed_7c",
        },
    ),
    "efficientnet_b0": ((64, 224, 213), {f"features.{i}": f"stage{i}" for i in range(1, 8)} | {"features.8": "top"}),
    "vit_b_16": ((64, 224, 208), {f"encoder.layers.encoder_layer_{i}": f"blocks.block{i + 1}" for i in (0, 5, 11)}),
    "mobilenet_v2": (
        (64, 224, 213),
        {f"features.{i}": f"blocks.block{i - 1}" for i in (1, 4, 17)} | {"features.18": "top"},
    ),
    "squeezenet1_0": ((64, 224, 213), {"features.3": "fire2", "features.7": "fire5", "features.12": "fire9"}),
}
TIMM = {
    "inception_resnet_v2": (
        (96, 299, 277),
        {"mixed_5b": "mixed_5b", "mixed_6a": "mixed_6a", "mixed_7a": "mixed_7a", "conv2d_7b": "top"},
    ),
    "efficientnet_b0": ((64, 224, 213), {f"blocks.{i}": f"stage{i + 1}" for i in range(7)}),
    "vit_base_patch16_224": ((64, 224, 208), {f"blocks.{i}": f"blocks.block{i + 1}" for i in (0, 11)}),
    "resnet50": ((64, 224, 213), STAGES),
}
OURS = {"vit_b_16": "vit_b16", "vit_base_patch16_224": "vit_b16", "squeezenet1_0": "squeezenet"}


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
    for library, table in (("torchvision", MODELS), ("timm", TIMM)):
        for name, (sides, endpoints) in table.items():
            file = arguments.folder / f"{library}_{OURS.get(name, name)}.npz"
            if arguments.names and file.stem not in arguments.names:
                continue
            out = {}
            for kind, side in zip((recipe.SMALL, recipe.USUAL, recipe.ODD), sides, strict=True):
                model = build(library, name, side).eval()
                entries = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
                with torch.no_grad():
                    for key, value in entries.items():
                        value.copy_(torch.from_numpy(recipe.weight(key, tuple(value.shape), True)))
                seen = {}
                for path, ours in endpoints.items():

                    def keep(module, inputs, output, ours=ours, seen=seen):
                        seen[ours] = output.detach().numpy()

                    model.get_submodule(path).register_forward_hook(keep)
                images = recipe.images(2 if kind == recipe.SMALL else 1, side)
                with torch.no_grad():
                    out[f"{kind}/logits"] = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
                for ours, value in seen.items():
                    if value.ndim == 3:  # tokens behind a class token
                        grid = round((value.shape[1] - 1) ** 0.5)
                        value = value[:, 1:].reshape(len(value), grid, grid, -1)
                    else:
                        value = value.transpose(0, 2, 3, 1)
                    out[f"{kind}/at/{ours}"] = recipe.summary(value).astype(np.float32)
                spec = {"side": side, "entries": {key: list(value.shape) for key, value in entries.items()}}
                out[f"{kind}/spec"] = np.frombuffer(json.dumps(spec).encode(), np.uint8)
            np.savez_compressed(file, **out)
            print(file, file.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
