"""DenseNet-121 and -161.

`variant="keras"` differs from `"torchvision"` in epsilon alone; DenseNet-161 exists in torchvision alone.

References:
    Huang et al., "Densely Connected Convolutional Networks", CVPR 2017.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, keras_conv, keras_norm, torch_conv, torch_norm
from xaijax.models.zoo.layers import Chain, ConvNorm, Head, NormRelu, average_pool, batch_norm, conv, max_pool
from xaijax.models.zoo.resnet import KERAS_EPSILON

# growth, channels of the stem, layers per block
SETTINGS = {"densenet121": (32, 64, (6, 12, 24, 16)), "densenet161": (48, 96, (6, 12, 36, 24))}


class DenseLayer(nnx.Module):
    """Normalise, 1x1 bottleneck, 3x3; the result is appended to the channels."""

    def __init__(self, inputs: int, growth: int, *, epsilon: float, rngs: nnx.Rngs) -> None:
        self.norm = batch_norm(inputs, epsilon, rngs=rngs)
        self.bottleneck = ConvNorm(inputs, 4 * growth, 1, epsilon=epsilon, rngs=rngs)
        self.conv = conv(4 * growth, growth, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return jnp.concatenate([x, self.conv(self.bottleneck(jax.nn.relu(self.norm(x))))], axis=-1)


class Transition(nnx.Module):
    """Normalise, halve the channels, halve the picture."""

    def __init__(self, inputs: int, *, epsilon: float, rngs: nnx.Rngs) -> None:
        self.norm = batch_norm(inputs, epsilon, rngs=rngs)
        self.conv = conv(inputs, inputs // 2, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return average_pool(self.conv(jax.nn.relu(self.norm(x))), 2, 2)


class DenseNet(nnx.Module):
    """Dense blocks with transitions between them."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        growth, width, depths = SETTINGS[name]
        epsilon = KERAS_EPSILON if variant == "keras" else 1e-5
        self.stem = ConvNorm(channels, width, 7, 2, padding=3, epsilon=epsilon, rngs=rngs)
        self.parts: tuple[str, ...] = ()
        for number, depth in enumerate(depths, 1):
            layers = {}
            for index in range(1, depth + 1):
                layers[f"layer{index}"] = DenseLayer(width, growth, epsilon=epsilon, rngs=rngs)
                width += growth
            setattr(self, f"block{number}", Chain(**layers))
            self.parts += (f"block{number}",)
            if number < len(depths):
                setattr(self, f"transition{number}", Transition(width, epsilon=epsilon, rngs=rngs))
                self.parts += (f"transition{number}",)
                width //= 2
        self.top = NormRelu(width, epsilon, rngs=rngs)
        self.head = Head(width, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        x = max_pool(self.stem(x), 3, 2, 1)
        for part in self.parts:
            x = getattr(self, part)(x)
        return self.top(x)

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


_TORCH_LAYER = r"features\.denseblock(\d)\.denselayer(\d+)"
TORCH_RULES: list[Rule] = [
    *torch_conv(r"features\.conv0", "stem.conv"),
    *torch_norm(r"features\.norm0", "stem.norm"),
    *torch_norm(_TORCH_LAYER + r"\.norm1", "block{0}.layer{1}.norm"),
    *torch_conv(_TORCH_LAYER + r"\.conv1", "block{0}.layer{1}.bottleneck.conv"),
    *torch_norm(_TORCH_LAYER + r"\.norm2", "block{0}.layer{1}.bottleneck.norm"),
    *torch_conv(_TORCH_LAYER + r"\.conv2", "block{0}.layer{1}.conv"),
    *torch_norm(r"features\.transition(\d)\.norm", "transition{0}.norm"),
    *torch_conv(r"features\.transition(\d)\.conv", "transition{0}.conv"),
    *torch_norm(r"features\.norm5", "top.norm"),
]
_KERAS_LAYER = r"conv(\d)_block(\d+)"
KERAS_RULES: list[Rule] = [
    *keras_conv("conv1_conv", "stem.conv"),
    *keras_norm("conv1_bn", "stem.norm"),
    *keras_norm(_KERAS_LAYER + "_0_bn", "block{0-1}.layer{1}.norm"),
    *keras_conv(_KERAS_LAYER + "_1_conv", "block{0-1}.layer{1}.bottleneck.conv"),
    *keras_norm(_KERAS_LAYER + "_1_bn", "block{0-1}.layer{1}.bottleneck.norm"),
    *keras_conv(_KERAS_LAYER + "_2_conv", "block{0-1}.layer{1}.conv"),
    *keras_norm(r"pool(\d)_bn", "transition{0-1}.norm"),
    *keras_conv(r"pool(\d)_conv", "transition{0-1}.conv"),
    *keras_norm("bn", "top.norm"),
]


def _sources(name: str) -> tuple[Source, ...]:
    depth = SETTINGS[name][2][2]
    torchvision = Source(
        library="torchvision",
        rules=TORCH_RULES,
        has=(f"features.denseblock3.denselayer{depth}.conv1.weight",),
        lacks=(f"features.denseblock3.denselayer{depth + 1}.conv1.weight",),
        features=1024 if name == "densenet121" else 2208,
        head="classifier",
    )
    keras = Source(
        library="keras",
        rules=KERAS_RULES,
        has=("conv4_block24_2_conv/kernel", "pool4_bn/gamma"),
        lacks=("conv4_block25_2_conv/kernel",),
        features=1024,
    )
    return (torchvision, keras) if name == "densenet121" else (torchvision,)


for _name in SETTINGS:
    register(
        from_module(
            _name,
            DenseNet,
            variants=("torchvision", "keras") if _name == "densenet121" else ("torchvision",),
            layer="top",
            sources=_sources(_name),
            summary=f"DenseNet with {_name.removeprefix('densenet')} weight layers",
        )
    )
