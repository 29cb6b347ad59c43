"""Runs one `xaijax bench` command on a PyTorch, a Keras and an ONNX file and on a Python function, on the same images.

export XAIJAX_DATA=data; KERAS_BACKEND=torch JAX_PLATFORMS=cpu
python tests/parity/bench_models.py --data $XAIJAX_DATA/brain-cheng --out runs/kinds [--only pt2 keras onnx function]

A small convolutional network is trained in PyTorch until it classifies most images right, which takes a minute or two.
The ONNX file and the Keras file have its weights, and the function runs it, so the scores of one map must be the same
from all four, except infidelity, whose unit is another for black boxes. AIC and SIC have no value where the blurred
image is classified as the intact one. Fails where scores differ, and where a metric scored no image.
"""

import argparse
import csv
import os
import shlex
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
import numpy as np
import torch
from torch import nn

from xaijax import cli, data

SIDE = 64
KINDS = ("pt2", "keras", "onnx", "function")
FUNCTION = '''"""The network as a function of NumPy arrays: float32 [n, H, W, 1] in [0, 1] -> probabilities [n, K]."""

import pathlib

import numpy as np
import torch

input_shape = ({side}, {side}, 1)
net = torch.export.load(pathlib.Path(__file__).with_name("net.pt2")).module()


def predict(images):
    with torch.no_grad():
        return torch.softmax(net(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))), 1).numpy()
'''


def images_of(place: str, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """`[N, 1, H, W]` float32 in [0, 1], labels, and the number of classes."""
    dataset = data.open_dataset(place)
    chosen = np.random.default_rng(1).permutation(len(dataset.cases))[:count]
    batch = dataset.read([int(case) for case in chosen], (SIDE, SIDE, 1))
    return (batch.images.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32), batch.labels, len(dataset.classes)


def torch_net(images: np.ndarray, labels: np.ndarray, classes: int, epochs: int) -> nn.Module:
    """A trained network of three convolutions, whose end has no activation."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # several threads wait for each other on a busy machine
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)),
    )
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    x, y = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    return net.eval()


def write_pt2(net: nn.Module, place: Path) -> Path:
    """The network as `torch.export.save` writes it, with a free batch."""
    batch = {0: torch.export.Dim("batch")}
    torch.export.save(torch.export.export(net, (torch.zeros(2, 1, SIDE, SIDE),), dynamic_shapes=(batch,)), place)
    return place


def write_onnx(net: Any, place: Path) -> Path:
    """The network's operations and weights as an ONNX file that gives logits."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, last = [], [], "images"

    def add(kind: str, *arrays: np.ndarray, **options: Any) -> None:
        nonlocal last
        name = f"{kind}{len(nodes)}"
        named = [f"{name}_{number}" for number in range(len(arrays))]
        weights.extend(numpy_helper.from_array(array, one) for array, one in zip(arrays, named, strict=True))
        nodes.append(helper.make_node(kind, [last, *named], [name], **options))
        last = name

    for module in net:
        arrays = [parameter.detach().numpy() for parameter in module.parameters()]
        if isinstance(module, nn.Conv2d):
            add("Conv", *arrays, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        elif isinstance(module, nn.MaxPool2d):
            add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        elif isinstance(module, nn.Linear):
            add("Gemm", *arrays, transB=1)
        else:
            add({nn.ReLU: "Relu", nn.AdaptiveAvgPool2d: "GlobalAveragePool", nn.Flatten: "Flatten"}[type(module)])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", ["N", 1, SIDE, SIDE]), (last, ["N", len(arrays[-1])]))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), place)
    return place


def write_keras(net: Any, place: Path) -> Path:
    """The network as a Keras Sequential with a layer that divides by 255, a batch norm, and a softmax.

    The batch norm has statistics of its own; the convolution before it undoes them.
    """
    import keras

    layers, random = keras.layers, np.random.default_rng(0)
    convolutions = [module for module in net if isinstance(module, nn.Conv2d)]
    dense = net[-1]
    widths = [module.out_channels for module in convolutions]
    made = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Rescaling(1 / 255),
            *(layers.Conv2D(widths[0], 3, padding="same"), layers.BatchNormalization(), layers.ReLU()),
            layers.MaxPooling2D(),
            *(layers.Conv2D(widths[1], 3, padding="same", activation="relu"), layers.MaxPooling2D()),
            *(layers.Conv2D(widths[2], 3, padding="same", activation="relu"), layers.GlobalAveragePooling2D()),
            layers.Dense(dense.out_features, activation="softmax"),
        ]
    )
    arrays = [[one.detach().numpy() for one in (module.weight, module.bias)] for module in convolutions]
    kernels = [[weight.transpose(2, 3, 1, 0), bias] for weight, bias in arrays]
    norm = made.layers[2]
    scale, variance = random.uniform(0.5, 2, (2, widths[0]))
    shift, mean = random.normal(0, 0.2, (2, widths[0]))
    norm.set_weights([scale, shift, mean, variance])
    undone = np.sqrt(variance + norm.epsilon) / scale
    kernels[0] = [kernels[0][0] * undone, (kernels[0][1] - shift) * undone + mean]
    for layer, weights in zip([one for one in made.layers if isinstance(one, layers.Conv2D)], kernels, strict=True):
        layer.set_weights(weights)
    made.layers[-1].set_weights([dense.weight.detach().numpy().T, dense.bias.detach().numpy()])
    made.save(place)
    return place


def main() -> None:
    """Train, write the files, run the command on each, compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder of images with masks and classes")
    parser.add_argument("--out", required=True, type=Path, help="a folder that is not there yet")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--train", type=int, default=450, help="images to train with")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--count", type=int, default=12, help="images to score")
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    images, labels, classes = images_of(given.data, given.train)
    net = torch_net(images, labels, classes, given.epochs)
    files = {"pt2": write_pt2(net, given.out / "net.pt2"), "onnx": write_onnx(net, given.out / "net.onnx")}
    (given.out / "mine.py").write_text(FUNCTION.format(side=SIDE))
    files["function"] = f"{given.out / 'mine.py'}:predict"
    if "keras" in given.only:
        files["keras"] = write_keras(net, given.out / "net.keras")
    found: dict[str, dict[tuple[str, str], tuple[float, int]]] = {}
    for kind in given.only:
        words = [
            "bench",
            "--data",
            given.data,
            "--mask-role",
            "lesion",
            "--model",
            str(files[kind]),
            "--count",
            str(given.count),
        ]
        words += ["--out", str(given.out / kind)]
        print("$ xaijax", shlex.join(words), flush=True)
        if cli.main(words):
            sys.exit(f"{kind}: xaijax bench failed")
        with (given.out / kind / "summary.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        found[kind] = {(row["method"], row["metric"]): (float(row["mean"] or "nan"), int(row["n"])) for row in rows}
    print("| method | metric | " + " | ".join(found) + " |")
    print("|---|---|" + "---|" * len(found))
    for key in dict.fromkeys(key for rows in found.values() for key in rows):
        cells = [f"{rows[key][0]:.3f} ({rows[key][1]})" if key in rows else "-" for rows in found.values()]
        print(f"| {' | '.join((*key, *cells))} |")
    for kind, rows in found.items():
        unscored = {metric for _, metric in rows} - {metric for (_, metric), (_, count) in rows.items() if count}
        if unscored:
            sys.exit(f"{kind}: no image was scored by {', '.join(sorted(unscored))}")
        if kind != "pt2" and "pt2" in found:
            # Infidelity is of the logit for a network and of the probability for a black box (docs/black_boxes.md).
            boxes = kind != "keras"
            same = [
                key
                for key in rows
                if key in found["pt2"]
                and key[0] in ("random", "sobel")
                and not (boxes and key[1].startswith("infidelity"))
            ]
            far = [key for key in same if not np.isclose(rows[key][0], found["pt2"][key][0], atol=1e-3, equal_nan=True)]
            if far or not same:
                sys.exit(f"{kind} scores otherwise than pt2: {far}")


if __name__ == "__main__":
    main()
