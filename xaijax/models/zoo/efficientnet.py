"""EfficientNet-B0.

`variant="keras"` pads a strided convolution at the end and normalises with epsilon 1e-3; `variant="torchvision"` (and
timm's) pads both sides and uses 1e-5. Keras' input layers, Rescaling and Normalization, are the classifier's
preprocessing here.

References:
    Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019;
    Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018.
"""

from typing import Any

import jax
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, keras_conv, keras_depthwise, keras_norm, torch_conv, torch_norm
from xaijax.models.zoo.layers import Chain, ConvNorm, Head, conv

# expansion, channels, blocks, stride, kernel
SETTINGS = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class SqueezeExcite(nnx.Module):
    """Channels weighted by a function of their means."""

    def __init__(self, channels: int, squeezed: int, *, rngs: nnx.Rngs) -> None:
        self.reduce = conv(channels, squeezed, 1, bias=True, rngs=rngs)
        self.expand = conv(squeezed, channels, 1, bias=True, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        means = x.mean((1, 2), keepdims=True)
        return x * jax.nn.sigmoid(self.expand(jax.nn.silu(self.reduce(means))))


class MBConv(nnx.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection, shortcut where shapes allow it."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        kernel: int,
        expansion: int,
        *,
        options: dict[str, Any],
        rngs: nnx.Rngs,
    ) -> None:
        width = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        active: dict[str, Any] = {**options, "activation": jax.nn.silu, "rngs": rngs}
        self.expand = ConvNorm(inputs, width, 1, **active) if expansion > 1 else None
        self.depthwise = ConvNorm(width, width, kernel, stride, groups=width, **active)
        self.excite = SqueezeExcite(width, max(1, inputs // 4), rngs=rngs)
        self.project = ConvNorm(width, outputs, 1, **options, activation=None, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        y = self.depthwise(x if self.expand is None else self.expand(x))
        y = self.project(self.excite(y))
        return x + y if self.residual else y


class EfficientNet(nnx.Module):
    """A 3x3 stem, seven stages of blocks, a 1x1 top."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        options: dict[str, Any] = {"padding": "SAME", "epsilon": 1e-3} if variant == "keras" else {}
        self.stem = ConvNorm(channels, 32, 3, 2, **options, activation=jax.nn.silu, rngs=rngs)
        inputs = 32
        self.stages = tuple(f"stage{index}" for index in range(1, len(SETTINGS) + 1))
        for stage, (expansion, outputs, count, stride, kernel) in zip(self.stages, SETTINGS, strict=True):
            blocks = {}
            for index in range(count):
                first = index == 0
                blocks[f"block{index + 1}"] = MBConv(
                    inputs, outputs, stride if first else 1, kernel, expansion, options=options, rngs=rngs
                )
                inputs = outputs
            setattr(self, stage, Chain(**blocks))
        self.top = ConvNorm(inputs, 1280, 1, **options, activation=jax.nn.silu, rngs=rngs)
        self.head = Head(1280, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        x = self.stem(x)
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return self.top(x)

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


def _unit(source: str, target: str) -> list[Rule]:
    return [*torch_conv(rf"{source}\.0", f"{target}.conv"), *torch_norm(rf"{source}\.1", f"{target}.norm")]


# The first stage has no expansion, so that its parts are numbered one lower.
_FIRST, _BLOCK = r"features\.1\.(\d+)\.block", r"features\.(\d)\.(\d+)\.block"
TORCH_RULES: list[Rule] = [
    *_unit(r"features\.0", "stem"),
    *_unit(r"features\.8", "top"),
    *_unit(_FIRST + r"\.0", "stage1.block{0+1}.depthwise"),
    *torch_conv(_FIRST + r"\.1\.fc1", "stage1.block{0+1}.excite.reduce"),
    *torch_conv(_FIRST + r"\.1\.fc2", "stage1.block{0+1}.excite.expand"),
    *_unit(_FIRST + r"\.2", "stage1.block{0+1}.project"),
    *_unit(_BLOCK + r"\.0", "stage{0}.block{1+1}.expand"),
    *_unit(_BLOCK + r"\.1", "stage{0}.block{1+1}.depthwise"),
    *torch_conv(_BLOCK + r"\.2\.fc1", "stage{0}.block{1+1}.excite.reduce"),
    *torch_conv(_BLOCK + r"\.2\.fc2", "stage{0}.block{1+1}.excite.expand"),
    *_unit(_BLOCK + r"\.3", "stage{0}.block{1+1}.project"),
]
_TIMM, _TO = r"blocks\.(\d)\.(\d+)", "stage{0+1}.block{1+1}"
TIMM_RULES: list[Rule] = [
    *torch_conv("conv_stem", "stem.conv"),
    *torch_norm("bn1", "stem.norm"),
    *torch_conv(r"blocks\.0\.(\d+)\.conv_pw", "stage1.block{0+1}.project.conv"),
    *torch_norm(r"blocks\.0\.(\d+)\.bn1", "stage1.block{0+1}.depthwise.norm"),
    *torch_norm(r"blocks\.0\.(\d+)\.bn2", "stage1.block{0+1}.project.norm"),
    *torch_conv(_TIMM + r"\.conv_pw", _TO + ".expand.conv"),
    *torch_norm(_TIMM + r"\.bn1", _TO + ".expand.norm"),
    *torch_conv(_TIMM + r"\.conv_dw", _TO + ".depthwise.conv"),
    *torch_norm(_TIMM + r"\.bn2", _TO + ".depthwise.norm"),
    *torch_conv(_TIMM + r"\.se\.conv_(reduce|expand)", _TO + ".excite.{2}"),
    *torch_conv(_TIMM + r"\.conv_pwl", _TO + ".project.conv"),
    *torch_norm(_TIMM + r"\.bn3", _TO + ".project.norm"),
    *torch_conv("conv_head", "top.conv"),
    *torch_norm("bn2", "top.norm"),
]
_STAGE = r"block(\d)([a-z])"
KERAS_RULES: list[Rule] = [
    *keras_conv("stem_conv", "stem.conv"),
    *keras_norm("stem_bn", "stem.norm"),
    *keras_conv("top_conv", "top.conv"),
    *keras_norm("top_bn", "top.norm"),
    *keras_conv(_STAGE + "_(expand|project)_conv", "stage{0}.block{1@}.{2}.conv"),
    *keras_norm(_STAGE + "_(expand|project)_bn", "stage{0}.block{1@}.{2}.norm"),
    *keras_depthwise(_STAGE + "_dwconv", "stage{0}.block{1@}.depthwise.conv"),
    *keras_norm(_STAGE + "_bn", "stage{0}.block{1@}.depthwise.norm"),
    *keras_conv(_STAGE + "_se_(reduce|expand)", "stage{0}.block{1@}.excite.{2}"),
]

register(
    from_module(
        "efficientnet_b0",
        EfficientNet,
        variants=("torchvision", "keras"),
        layer="top",
        sources=(
            Source(
                library="torchvision",
                rules=TORCH_RULES,
                has=("features.7.0.block.3.0.weight",),
                lacks=("features.7.1.block.3.0.weight",),
                features=1280,
                head="classifier",
            ),
            Source(
                library="timm",
                rules=TIMM_RULES,
                has=("blocks.6.0.se.conv_reduce.weight",),
                lacks=("blocks.6.1.se.conv_reduce.weight",),
                features=1280,
                head="classifier",
                variant="torchvision",
            ),
            Source(
                library="keras",
                rules=KERAS_RULES,
                has=("block7a_project_conv/kernel", "block6d_project_conv/kernel"),
                lacks=("block7b_project_conv/kernel",),
                features=1280,
                style="identity",
            ),
        ),
        summary="EfficientNet-B0: inverted residuals with squeeze-and-excitation",
    )
)
