"""Makes tests/models/data/keras_*.npz: logits and endpoints of keras.applications, with weights from zoo_recipe.

python -m venv peer && peer/bin/pip install keras==3.15.1 torch==2.13.0 h5py
peer/bin/python tests/parity/zoo_keras.py tests/models/data [name ...]
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")  # starts ten times faster than JAX's
import keras
import numpy as np
import zoo_recipe as recipe

DENSE = {f"conv{i + 1}_block{depth}_concat": f"block{i}" for i, depth in enumerate((6, 12, 24, 16), 1)}


def stages(*depths: int) -> dict[str, str]:
    """Outputs of the stages of a ResNet."""
    return {f"conv{i + 1}_block{depth}_out": f"stage{i}" for i, depth in enumerate(depths, 1)}


# our name -> (name in keras.applications, sides, Keras layer -> our layer)
MODELS = {
    "vgg16": ("VGG16", (64, 224, 213), {"block3_conv3": "block3", "block5_conv3": "block5"}),
    "vgg19": ("VGG19", (64, 224, 213), {"block3_conv4": "block3", "block5_conv4": "block5"}),
    "resnet50": ("ResNet50", (64, 224, 213), stages(3, 4, 6, 3)),
    "resnet101": ("ResNet101", (64, 224, 213), stages(3, 4, 23, 3)),
    "resnet50v2": ("ResNet50V2", (64, 224, 213), stages(3, 4, 6, 3) | {"post_relu": "top"}),
    "densenet121": ("DenseNet121", (64, 224, 213), DENSE | {"relu": "top"}),
    "inception_v3": (
        "InceptionV3",
        (96, 299, 277),
        {"mixed0": "mixed_5b", "mixed3": "mixed_6a", "mixed7": "mixed_6e", "mixed8": "mixed_7a", "mixed10": "mixed_7c"},
    ),
    "xception": ("Xception", (96, 299, 277), {"block1_conv2_act": "block1", "block14_sepconv2_act": "block14"}),
    "inception_resnet_v2": (
        "InceptionResNetV2",
        (96, 299, 277),
        {"mixed_5b": "mixed_5b", "mixed_6a": "mixed_6a", "mixed_7a": "mixed_7a", "conv_7b_ac": "top"},
    ),
    "efficientnet_b0": (
        "EfficientNetB0",
        (64, 224, 213),
        {"block1a_project_bn": "stage1", "block7a_project_bn": "stage7", "top_activation": "top"},
    ),
    "mobilenet_v2": (
        "MobileNetV2",
        (64, 224, 213),
        {"expanded_conv_project_BN": "blocks.block0", "block_16_project_BN": "blocks.block16", "out_relu": "top"},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for ours, (name, sides, endpoints) in MODELS.items():
        file = arguments.folder / f"keras_{ours}.npz"
        if arguments.names and file.stem not in arguments.names:
            continue
        out = {}
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
            tapped = keras.Model(model.inputs, [*(model.get_layer(layer).output for layer in endpoints), model.output])
            # EfficientNet has its preprocessing inside and takes pixels in [0, 255].
            *seen, logits = tapped.predict(images * 255 if ours == "efficientnet_b0" else images, verbose=0)
            out[f"{kind}/logits"] = logits
            for layer, value in zip(endpoints.values(), seen, strict=True):
                out[f"{kind}/at/{layer}"] = recipe.summary(value).astype(np.float32)
            spec = {"side": side, "entries": {key: list(shape) for key, shape in entries.items()}}
            out[f"{kind}/spec"] = np.frombuffer(json.dumps(spec).encode(), np.uint8)
        np.savez_compressed(file, **out)
        print(file, file.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
