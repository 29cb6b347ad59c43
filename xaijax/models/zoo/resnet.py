"""ResNet-34, -50, -101 (v1 and v1.5), ResNet50V2, and a small one to train from scratch.

`variant="torchvision"` puts a bottleneck's stride on its 3x3 convolution (v1.5) and has no convolution biases;
`variant="keras"` puts it on the first 1x1 (v1) and has biases. ResNet-34 exists in torchvision alone, V2 in Keras.
The small one has the layout of ResNet-18 with a quarter of its channels: 0.7 million parameters, no published weights.

References:
    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016;
    He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016 (V2).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, keras_conv, keras_norm, torch_conv, torch_norm
from xaijax.models.zoo.layers import Chain, ConvNorm, Head, NormRelu, batch_norm, conv, max_pool

DEPTHS = {
    "small_resnet": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
WIDTHS = {"small_resnet": 16}  # of the first stage; 64 otherwise
BASIC = ("small_resnet", "resnet34")  # made of two 3x3 convolutions a block
KERAS_EPSILON = 1.001e-5


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, *, options: dict[str, Any], rngs: nnx.Rngs) -> None:
        self.unit1 = ConvNorm(inputs, width, 3, stride, **options, rngs=rngs)
        self.unit2 = ConvNorm(width, width, 3, **options, activation=None, rngs=rngs)
        self.shortcut = (
            ConvNorm(inputs, width, 1, stride, **options, activation=None, rngs=rngs)
            if stride != 1 or inputs != width
            else None
        )

    def __call__(self, x: Any) -> Any:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return jax.nn.relu(self.unit2(self.unit1(x)) + shortcut)


class Bottleneck(nnx.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut."""

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int,
        *,
        options: dict[str, Any],
        stride_first: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        outputs = 4 * width
        first, second = (stride, 1) if stride_first else (1, stride)
        self.unit1 = ConvNorm(inputs, width, 1, first, **options, rngs=rngs)
        self.unit2 = ConvNorm(width, width, 3, second, **options, rngs=rngs)
        self.unit3 = ConvNorm(width, outputs, 1, **options, activation=None, rngs=rngs)
        self.shortcut = (
            ConvNorm(inputs, outputs, 1, stride, **options, activation=None, rngs=rngs)
            if stride != 1 or inputs != outputs
            else None
        )

    def __call__(self, x: Any) -> Any:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return jax.nn.relu(self.unit3(self.unit2(self.unit1(x))) + shortcut)


class ResNet(nnx.Module):
    """ResNet v1 and v1.5."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        keras = variant == "keras"
        options: dict[str, Any] = {"bias": True, "epsilon": KERAS_EPSILON} if keras else {}
        inputs = first = WIDTHS.get(name, 64)
        self.stem = ConvNorm(channels, first, 7, 2, padding=3, **options, rngs=rngs)
        self.stages = tuple(f"stage{i}" for i in range(1, 5))
        for number, (stage, depth) in enumerate(zip(self.stages, DEPTHS[name], strict=True)):
            blocks: dict[str, nnx.Module] = {}
            for index in range(depth):
                stride = 2 if number > 0 and index == 0 else 1
                width = first << number
                if name in BASIC:
                    blocks[f"block{index + 1}"] = BasicBlock(inputs, width, stride, options=options, rngs=rngs)
                    inputs = width
                else:
                    blocks[f"block{index + 1}"] = Bottleneck(
                        inputs, width, stride, options=options, stride_first=keras, rngs=rngs
                    )
                    inputs = 4 * width
            setattr(self, stage, Chain(**blocks))
        self.head = Head(inputs, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        # Keras pads with zeros where torch ignores the padding: the same maximum, since ReLU leaves nothing below 0.
        x = max_pool(self.stem(x), 3, 2, 1)
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return x

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


class PreactivationBlock(nnx.Module):
    """Keras' V2 bottleneck: normalise first; the stride of a stage stands in its last block."""

    def __init__(self, inputs: int, width: int, stride: int, *, project: bool, rngs: nnx.Rngs) -> None:
        outputs = 4 * width
        self.stride = stride
        self.norm = batch_norm(inputs, KERAS_EPSILON, rngs=rngs)
        self.shortcut = conv(inputs, outputs, 1, stride, bias=True, rngs=rngs) if project else None
        self.unit1 = ConvNorm(inputs, width, 1, epsilon=KERAS_EPSILON, rngs=rngs)
        self.unit2 = ConvNorm(width, width, 3, stride, epsilon=KERAS_EPSILON, rngs=rngs)
        self.conv3 = conv(width, outputs, 1, bias=True, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        active = jax.nn.relu(self.norm(x))
        if self.shortcut is not None:
            shortcut = self.shortcut(active)
        else:
            shortcut = max_pool(x, 1, self.stride) if self.stride > 1 else x
        return shortcut + self.conv3(self.unit2(self.unit1(active)))


class ResNetV2(nnx.Module):
    """ResNet50V2 of Keras."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        self.stem = conv(channels, 64, 7, 2, padding=3, bias=True, rngs=rngs)
        inputs = 64
        self.stages = tuple(f"stage{i}" for i in range(1, 5))
        for number, (stage, depth) in enumerate(zip(self.stages, DEPTHS["resnet50"], strict=True)):
            blocks = {}
            for index in range(depth):
                stride = 2 if index == depth - 1 and number < 3 else 1
                width = 64 << number
                blocks[f"block{index + 1}"] = PreactivationBlock(inputs, width, stride, project=index == 0, rngs=rngs)
                inputs = 4 * width
            setattr(self, stage, Chain(**blocks))
        self.top = NormRelu(inputs, KERAS_EPSILON, rngs=rngs)
        self.head = Head(inputs, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        # Nothing is rectified before this pooling, so Keras' zero padding can win: it is part of the model.
        x = max_pool(jnp.pad(self.stem(x), ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 2)
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return self.top(x)

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


_UNIT = r"layer(\d)\.(\d+)"
TORCH_RULES: list[Rule] = [
    *torch_conv("conv1", "stem.conv"),
    *torch_norm("bn1", "stem.norm"),
    *torch_conv(_UNIT + r"\.conv(\d)", "stage{0}.block{1+1}.unit{2}.conv"),
    *torch_norm(_UNIT + r"\.bn(\d)", "stage{0}.block{1+1}.unit{2}.norm"),
    *torch_conv(_UNIT + r"\.downsample\.0", "stage{0}.block{1+1}.shortcut.conv"),
    *torch_norm(_UNIT + r"\.downsample\.1", "stage{0}.block{1+1}.shortcut.norm"),
]
_BLOCK = r"conv(\d)_block(\d+)"
KERAS_RULES: list[Rule] = [
    *keras_conv("conv1_conv", "stem.conv"),
    *keras_norm("conv1_bn", "stem.norm"),
    *keras_conv(_BLOCK + "_0_conv", "stage{0-1}.block{1}.shortcut.conv"),
    *keras_norm(_BLOCK + "_0_bn", "stage{0-1}.block{1}.shortcut.norm"),
    *keras_conv(_BLOCK + r"_(\d)_conv", "stage{0-1}.block{1}.unit{2}.conv"),
    *keras_norm(_BLOCK + r"_(\d)_bn", "stage{0-1}.block{1}.unit{2}.norm"),
]
KERAS_V2_RULES: list[Rule] = [
    *keras_conv("conv1_conv", "stem"),
    *keras_norm(_BLOCK + "_preact_bn", "stage{0-1}.block{1}.norm"),
    *keras_conv(_BLOCK + "_0_conv", "stage{0-1}.block{1}.shortcut"),
    *keras_conv(_BLOCK + "_3_conv", "stage{0-1}.block{1}.conv3"),
    *keras_conv(_BLOCK + r"_(\d)_conv", "stage{0-1}.block{1}.unit{2}.conv"),
    *keras_norm(_BLOCK + r"_(\d)_bn", "stage{0-1}.block{1}.unit{2}.norm"),
    *keras_norm("post_bn", "top.norm"),
]


def _sources(name: str) -> tuple[Source, ...]:
    if name == "small_resnet":
        return ()
    unit = 2 if name in BASIC else 3  # the last convolution of a block
    depth = DEPTHS[name][2]
    torchvision = Source(
        library="torchvision",
        rules=TORCH_RULES,
        has=(f"layer3.{depth - 1}.conv{unit}.weight",),
        lacks=("layer1.0.conv3.weight" if name in BASIC else f"layer3.{depth}.conv3.weight",),
        features=512 if name in BASIC else 2048,
        head="fc",
    )
    keras = Source(
        library="keras",
        rules=KERAS_RULES,
        has=("conv1_bn/gamma", "conv1_conv/bias", f"conv4_block{depth}_3_conv/kernel"),
        lacks=(f"conv4_block{depth + 1}_3_conv/kernel",),
        features=2048,
        style="caffe",
    )
    return (torchvision,) if name in BASIC else (torchvision, keras)


for _name in DEPTHS:
    register(
        from_module(
            _name,
            ResNet,
            variants=("torchvision",) if _name in BASIC else ("torchvision", "keras"),
            layer="stage4",
            sources=_sources(_name),
            summary=(
                "ResNet-18 with a quarter of its channels; 2.8 MB"
                if _name == "small_resnet"
                else f"ResNet v1.5 with {_name.removeprefix('resnet')} weight layers"
            ),
        )
    )
register(
    from_module(
        "resnet50v2",
        ResNetV2,
        variants=("keras",),
        layer="top",
        preprocess="tf",
        sources=(
            Source(
                library="keras",
                rules=KERAS_V2_RULES,
                has=("post_bn/gamma", "conv4_block6_3_conv/kernel"),
                lacks=("conv4_block7_3_conv/kernel",),
                features=2048,
                style="tf",
                first="stem.kernel",
            ),
        ),
        summary="ResNet v2 (normalised before the convolutions) with 50 weight layers",
    )
)
