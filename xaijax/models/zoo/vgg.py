"""VGG-16 and VGG-19.

`variant="torchvision"` averages the last activations to 7x7 for any input size; `variant="keras"` flattens them as
they are, so its first dense layer belongs to one input size.

References:
    Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from typing import Any

import jax
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, keras_conv, torch_conv
from xaijax.models.zoo.layers import Chain, Head, adaptive_average_pool, conv, max_pool

DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)
HEAD = {"pool": "flatten", "hidden": (4096, 4096)}
TORCH_GRID = 7


class ConvRelu(nnx.Module):
    """3x3 convolution with bias and ReLU."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.conv = conv(inputs, outputs, 3, bias=True, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return jax.nn.relu(self.conv(x))


class VGG(nnx.Module):
    """Blocks of 3x3 convolutions with a 2x2 maximum behind each."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        inputs = channels
        self.blocks = tuple(f"block{i}" for i in range(1, 6))
        for block, depth, width in zip(self.blocks, DEPTHS[name], WIDTHS, strict=True):
            convs = {}
            for index in range(depth):
                convs[f"conv{index + 1}"] = ConvRelu(inputs, width, rngs=rngs)
                inputs = width
            setattr(self, block, Chain(**convs))
        self.adaptive = variant == "torchvision" and head.get("pool") == "flatten"
        self.head = Head(inputs, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        for block in self.blocks:
            x = max_pool(getattr(self, block)(x), 2, 2)
        return adaptive_average_pool(x, TORCH_GRID) if self.adaptive else x

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


def torch_rules(name: str) -> list[Rule]:
    """torchvision numbers convolutions, ReLUs and pools together."""
    rules: list[Rule] = []
    index = 0
    for block, depth in enumerate(DEPTHS[name], 1):
        for number in range(1, depth + 1):
            rules += torch_conv(rf"features\.{index}", f"block{block}.conv{number}.conv")
            index += 2
        index += 1
    return rules


KERAS_RULES: list[Rule] = keras_conv(r"block(\d)_conv(\d)", "block{0}.conv{1}.conv")


def _sources(name: str) -> tuple[Source, ...]:
    larger = name == "vgg19"  # has one more convolution in its last block
    return (
        Source(
            library="torchvision",
            rules=torch_rules(name),
            has=("features.34.weight",) if larger else ("features.28.weight",),
            lacks=() if larger else ("features.34.weight",),
            features=WIDTHS[-1],
            head="classifier",
            first="block1.conv1.conv.kernel",
        ),
        Source(
            library="keras",
            rules=KERAS_RULES,
            has=("block5_conv4/kernel",) if larger else ("block5_conv3/kernel",),
            lacks=() if larger else ("block5_conv4/kernel",),
            features=WIDTHS[-1],
            style="caffe",
            first="block1.conv1.conv.kernel",
        ),
    )


for _name, _depths in DEPTHS.items():
    register(
        from_module(
            _name,
            VGG,
            variants=("torchvision", "keras"),
            layer="block5",
            head=HEAD,
            positions=lambda variant, height, width: TORCH_GRID**2 if variant == "torchvision" else None,
            sources=_sources(_name),
            summary=f"VGG with {sum(_depths) + 3} weight layers; flattened, two hidden dense layers",
        )
    )
