"""Makes tests/models/data/keras_*.npz: logits and endpoints of keras.applications, with weights from zoo_recipe.

python -m venv peer && peer/bin/pip install keras==3.15.1 jax==0.10.2 h5py
peer/bin/python tests/parity/zoo_keras.py tests/models/data [name ...]
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
import zoo_recipe as recipe

MIXED = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
USUAL_SIDES, INCEPTION_SIDES = (64, 224, 213), (96, 299, 277)
VGG = [(r"block(\d)_conv(\d)", lambda block, conv: f"block{block}.conv{conv}")]
RESNET = [
    (r"conv1_relu", lambda: "stem"),
    (r"conv(\d)_block(\d+)_out", lambda stage, block: f"stage{int(stage) - 1}.block{block}"),
    (r"post_relu", lambda: "top"),
]
# our name -> (name in keras.applications, sides, Keras layer -> our layer)
MODELS: dict[str, Any] = {
    "vgg16": ("VGG16", USUAL_SIDES, VGG),
    "vgg19": ("VGG19", USUAL_SIDES, VGG),
    "resnet50": ("ResNet50", USUAL_SIDES, RESNET),
    "resnet101": ("ResNet101", USUAL_SIDES, RESNET),
    "resnet50v2": ("ResNet50V2", USUAL_SIDES, RESNET),
    "densenet121": (
        "DenseNet121",
        USUAL_SIDES,
        [
            (r"conv1_relu", lambda: "stem"),
            (r"conv(\d)_block(\d+)_concat", lambda block, layer: f"block{int(block) - 1}.layer{layer}"),
            (r"pool(\d)_pool", lambda number: f"transition{int(number) - 1}"),
            (r"relu", lambda: "top"),
        ],
    ),
    "inception_v3": ("InceptionV3", INCEPTION_SIDES, [(r"mixed(\d+)", lambda i: f"mixed_{MIXED[int(i)]}")]),
    "xception": (
        "Xception",
        INCEPTION_SIDES,
        [
            (r"block1_conv(\d)_act", lambda conv: f"block1.conv{conv}"),
            (r"add(?:_(\d+))?", lambda number: f"block{int(number or 0) + 2}"),
            (r"block14_sepconv(\d)_act", lambda conv: f"block14.sepconv{conv}"),
        ],
    ),
    "inception_resnet_v2": (
        "InceptionResNetV2",
        INCEPTION_SIDES,
        [
            (r"mixed_(5b|6a|7a)", lambda name: f"mixed_{name}"),
            (r"block(35|17|8)_(\d+)(?:_ac)?", lambda stage, block: f"block{stage}.block{block}"),
            (r"conv_7b_ac", lambda: "top"),
        ],
    ),
    "efficientnet_b0": (
        "EfficientNetB0",
        USUAL_SIDES,
        [
            (r"stem_activation", lambda: "stem"),
            (
                r"block(\d)([a-z])_(?:project_bn|add)",
                lambda stage, block: f"stage{stage}.block{ord(block) - ord('a') + 1}",
            ),
            (r"top_activation", lambda: "top"),
        ],
    ),
    "mobilenet_v2": (
        "MobileNetV2",
        USUAL_SIDES,
        [
            (r"Conv1_relu", lambda: "stem"),
            (r"expanded_conv_project_BN", lambda: "blocks.block0"),
            (r"block_(\d+)_(?:project_BN|add)", lambda block: f"blocks.block{block}"),
            (r"out_relu", lambda: "top"),
        ],
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for ours, (name, sides, table) in MODELS.items():
        file = arguments.folder / f"keras_{ours}.npz"
        if arguments.names and file.stem not in arguments.names:
            continue
        out: dict[str, np.ndarray] = {}
        for kind, side in zip((recipe.SMALL, recipe.USUAL, recipe.ODD), sides, strict=True):
            keras.utils.clear_session()  # layer numbers start again
            model = getattr(keras.applications, name)(
                weights=None, input_shape=(side, side, 3), classifier_activation=None
            )
            entries = {}
            for layer in model.layers:
                for variable in layer.weights:
                    if variable.name == "count":
                        continue
                    key = f"{layer.name}/{variable.name}"
                    entries[key] = tuple(variable.shape)
                    variable.assign(recipe.weight(key, tuple(variable.shape), False))
                if hasattr(layer, "finalize_state") and ours == "efficientnet_b0":
                    layer.finalize_state()
            images = recipe.images(2 if kind == recipe.SMALL else 1, side)
            endpoints = recipe.endpoints([layer.name for layer in model.layers], table)
            outputs = [model.get_layer(layer).output for layer in endpoints.values()]
            tapped = keras.Model(model.inputs, [*outputs, model.output])
            # EfficientNet has its preprocessing inside and takes pixels in [0, 255].
            *seen, logits = tapped.predict(images * 255 if ours == "efficientnet_b0" else images, verbose=0)
            out[f"{kind}/logits"] = logits
            for layer, value in zip(endpoints, seen, strict=True):
                out[f"{kind}/at/{layer}"] = recipe.summary(value).astype(np.float32)
            spec = {"side": side, "entries": {key: list(shape) for key, shape in entries.items()}}
            out[f"{kind}/spec"] = np.frombuffer(json.dumps(spec).encode(), np.uint8)
        np.savez_compressed(file, **out)
        print(file, file.stat().st_size, len(endpoints), "endpoints", flush=True)


if __name__ == "__main__":
    main()
