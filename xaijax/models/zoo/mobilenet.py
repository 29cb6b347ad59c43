"""MobileNetV2 (width 1.0).

`variant="keras"` pads a stride-2 convolution at the end and normalises with epsilon 1e-3; `variant="torchvision"`
pads both sides and uses 1e-5; `variant="folded"` is the Keras network with batch normalisation already in the
convolutions, as inference formats store it.

References:
    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from typing import Any

import jax
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import (
    Rule,
    Source,
    array_conv,
    keras_conv,
    keras_depthwise,
    keras_norm,
    torch_conv,
    torch_norm,
)
from xaijax.models.zoo.layers import Chain, ConvNorm, Head

# expansion, channels, blocks, stride
SETTINGS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def convolution_options(variant: str) -> dict[str, Any]:
    """Padding, epsilon and where the bias is, per variant."""
    return {
        "keras": {"padding": "SAME", "epsilon": 1e-3},
        "folded": {"padding": "SAME", "bias": True, "norm": False},
        "torchvision": {},
    }[variant]


class InvertedResidual(nnx.Module):
    """1x1 expansion, 3x3 depthwise, 1x1 projection without activation, and a shortcut where shapes allow it."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, expansion: int, *, options: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        width = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expand = (
            ConvNorm(inputs, width, 1, **options, activation=jax.nn.relu6, rngs=rngs) if expansion > 1 else None
        )
        self.depthwise = ConvNorm(width, width, 3, stride, groups=width, **options, activation=jax.nn.relu6, rngs=rngs)
        self.project = ConvNorm(width, outputs, 1, **options, activation=None, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        y = self.project(self.depthwise(x if self.expand is None else self.expand(x)))
        return x + y if self.residual else y


class MobileNetV2(nnx.Module):
    """Inverted residual blocks between a 3x3 stem and a 1x1 top."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        options = convolution_options(variant)
        self.stem = ConvNorm(channels, 32, 3, 2, **options, activation=jax.nn.relu6, rngs=rngs)
        blocks: dict[str, Any] = {}
        inputs = 32
        for expansion, outputs, count, stride in SETTINGS:
            for index in range(count):
                blocks[f"block{len(blocks)}"] = InvertedResidual(
                    inputs, outputs, stride if index == 0 else 1, expansion, options=options, rngs=rngs
                )
                inputs = outputs
        self.blocks = Chain(**blocks)
        self.top = ConvNorm(inputs, 1280, 1, **options, activation=jax.nn.relu6, rngs=rngs)
        self.head = Head(1280, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        return self.top(self.blocks(self.stem(x)))

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


TORCH_RULES: list[Rule] = [
    *torch_conv(r"features\.0\.0", "stem.conv"),
    *torch_norm(r"features\.0\.1", "stem.norm"),
    *torch_conv(r"features\.1\.conv\.0\.0", "blocks.block0.depthwise.conv"),
    *torch_norm(r"features\.1\.conv\.0\.1", "blocks.block0.depthwise.norm"),
    *torch_conv(r"features\.1\.conv\.1", "blocks.block0.project.conv"),
    *torch_norm(r"features\.1\.conv\.2", "blocks.block0.project.norm"),
    *torch_conv(r"features\.18\.0", "top.conv"),
    *torch_norm(r"features\.18\.1", "top.norm"),
    *torch_conv(r"features\.(\d+)\.conv\.0\.0", "blocks.block{0-1}.expand.conv"),
    *torch_norm(r"features\.(\d+)\.conv\.0\.1", "blocks.block{0-1}.expand.norm"),
    *torch_conv(r"features\.(\d+)\.conv\.1\.0", "blocks.block{0-1}.depthwise.conv"),
    *torch_norm(r"features\.(\d+)\.conv\.1\.1", "blocks.block{0-1}.depthwise.norm"),
    *torch_conv(r"features\.(\d+)\.conv\.2", "blocks.block{0-1}.project.conv"),
    *torch_norm(r"features\.(\d+)\.conv\.3", "blocks.block{0-1}.project.norm"),
]
KERAS_RULES: list[Rule] = [
    *keras_conv("Conv1", "stem.conv"),
    *keras_norm("bn_Conv1", "stem.norm"),
    *keras_depthwise("expanded_conv_depthwise", "blocks.block0.depthwise.conv"),
    *keras_norm("expanded_conv_depthwise_BN", "blocks.block0.depthwise.norm"),
    *keras_conv("expanded_conv_project", "blocks.block0.project.conv"),
    *keras_norm("expanded_conv_project_BN", "blocks.block0.project.norm"),
    *keras_depthwise(r"block_(\d+)_depthwise", "blocks.block{0}.depthwise.conv"),
    *keras_conv(r"block_(\d+)_(expand|project)", "blocks.block{0}.{1}.conv"),
    *keras_norm(r"block_(\d+)_(expand|depthwise|project)_BN", "blocks.block{0}.{1}.norm"),
    *keras_conv("Conv_1", "top.conv"),
    *keras_norm("Conv_1_bn", "top.norm"),
]

FOLDED_RULES: list[Rule] = [
    *array_conv("Conv1_relu", "stem.conv", "ohwi"),
    *array_conv("expanded_conv_depthwise_relu", "blocks.block0.depthwise.conv", "1hwc"),
    *array_conv("expanded_conv_project_BN", "blocks.block0.project.conv", "ohwi"),
    *array_conv(r"block_(\d+)_depthwise_relu", "blocks.block{0}.depthwise.conv", "1hwc"),
    *array_conv(r"block_(\d+)_(expand|project)_(?:relu|BN)", "blocks.block{0}.{1}.conv", "ohwi"),
    *array_conv("out_relu", "top.conv", "ohwi"),
]

register(
    from_module(
        "mobilenet_v2",
        MobileNetV2,
        variants=("torchvision", "keras", "folded"),
        layer="top",
        sources=(
            Source(
                library="torchvision",
                rules=TORCH_RULES,
                has=("features.18.0.weight",),
                features=1280,
                head="classifier",
            ),
            Source(
                library="keras",
                rules=KERAS_RULES,
                has=("block_16_project/kernel",),
                features=1280,
                style="tf",
            ),
            Source(
                library="arrays",
                rules=FOLDED_RULES,
                has=("block_16_project_BN/weight", "out_relu/weight"),
                features=1280,
                style="tf",
                variant="folded",
            ),
        ),
        summary="MobileNetV2: inverted residuals",
    )
)
