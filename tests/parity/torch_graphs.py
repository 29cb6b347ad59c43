"""Makes graphs_of_torch/torch_graphs.npz of tests/models/data: narrow PyTorch models as graphs, with their results.

python -m venv peer && peer/bin/pip install torch==2.13.0 torchvision==0.28.0 timm . && export JAX_PLATFORMS=cpu
peer/bin/python tests/parity/torch_graphs.py tests/models/data/graphs_of_torch/torch_graphs.npz

Weights are those of `zoo_recipe` and not stored. For each model: the graph as JSON, the shapes of its parameters, its
constants, and in float64 the logits, the gradient of a mixture of them with respect to the image, and the activations
and their gradient at the default layer.
"""

import json
import sys
from typing import Any

import numpy as np
import torch
import torch_table  # which turns 64 bits on, and imports torchvision where it has no operators
import zoo_recipe as recipe
from torch import nn
from torch_table import timm, torchvision

from xaijax import models
from xaijax._network.trees import flatten
from xaijax.models.importers.torch_graph.network import GraphNetwork

MADE: dict[str, tuple[Any, int, int]] = {  # name -> (module, side, channels)
    "resnet": (
        lambda: timm.create_model("resnet18", layers=(1, 1, 1, 1), channels=(8, 8, 12, 16), num_classes=5),
        40,
        3,
    ),
    "densenet": (lambda: torchvision.models.DenseNet(4, (2, 2), 8, num_classes=5), 40, 3),
    "convnext": (lambda: timm.models.ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 8, 12, 16), num_classes=5), 64, 3),
    "mobilenet": (lambda: timm.create_model("mobilenetv3_small_050", num_classes=5), 64, 3),
    "vit": (lambda: timm.models.VisionTransformer(32, 8, depth=2, embed_dim=24, num_heads=3, num_classes=5), 32, 3),
    "swin": (
        lambda: timm.models.SwinTransformer(
            32, 2, embed_dim=12, depths=(2, 2), num_heads=(2, 3), window_size=4, num_classes=5
        ),
        32,
        3,
    ),
    "small": (torch_table.Small, 32, 1),
}


def filled(module: nn.Module) -> nn.Module:
    """With the recipe's weights, in float64."""
    state = {
        name: torch.from_numpy(np.array(recipe.weight(name, tuple(value.shape), True), np.float64))
        if value.is_floating_point() and "mask" not in name
        else value
        for name, value in module.state_dict().items()
    }
    module = module.double().eval()
    module.load_state_dict(state)
    return module


def main() -> None:
    """Convert each model, run PyTorch, and write the file."""
    torch.set_num_threads(1)
    kept: dict[str, np.ndarray] = {}
    for name, (make, side, channels) in MADE.items():
        module = make()
        if channels == 1:
            module(torch.zeros(1, 1, side, side))
        module = filled(module)
        classifier = models.from_torch(module, input_shape=(side, side, channels), preprocess="identity")
        network = classifier.network
        assert isinstance(network, GraphNetwork)
        images = recipe.images(3, side)[..., :channels].astype(np.float64)
        mixture = recipe.stream("mixture").random((3, len(classifier.classes)))
        layer = classifier.default_layer
        shape = classifier.layers()[layer]
        logits, gradient, _ = torch_table.peer(module, images, mixture, layer, shape)
        values, grads = torch_table.at_layer(module, images, mixture, layer, shape)
        described = {
            "graph": network.graph.to_json(),
            "shapes": {".".join(path): list(np.shape(leaf)) for path, leaf in flatten(classifier.params)},
            "input_shape": list(classifier.input_shape),
        }
        kept[f"{name}/described"] = np.frombuffer(json.dumps(described).encode(), np.uint8)
        for key, array in network.constants.items():
            kept[f"{name}/constant/{key}"] = array
        kept[f"{name}/logits"], kept[f"{name}/gradient"] = logits, gradient
        kept[f"{name}/activations"], kept[f"{name}/layer_gradient"] = values, grads
        print(name, len(network.graph.operations), layer, shape, flush=True)
    np.savez_compressed(sys.argv[1], **kept)


if __name__ == "__main__":
    main()
