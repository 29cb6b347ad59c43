"""SqueezeNet 1.0 of torchvision; `variant="caffe"` pads its last 1x1 convolution by one pixel, as the original does.

References:
    Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, array_conv, torch_conv
from xaijax.models.zoo.layers import conv, max_pool_ceil
from xaijax.preprocess import Preprocess

# squeeze and expand channels of fire2 to fire9
FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}


class Fire(nnx.Module):
    """A 1x1 squeeze and two expansions side by side, each with ReLU."""

    def __init__(self, inputs: int, squeeze: int, expand: int, *, rngs: nnx.Rngs) -> None:
        self.squeeze = conv(inputs, squeeze, 1, bias=True, rngs=rngs)
        self.expand1 = conv(squeeze, expand, 1, bias=True, rngs=rngs)
        self.expand3 = conv(squeeze, expand, 3, bias=True, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = jax.nn.relu(self.squeeze(x))
        return jnp.concatenate([jax.nn.relu(self.expand1(x)), jax.nn.relu(self.expand3(x))], axis=-1)


class SqueezeNet(nnx.Module):
    """Fire modules with maxima between them; the last convolution gives one map per class."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        self.stem = conv(channels, 96, 7, 2, padding=0, bias=True, rngs=rngs)
        inputs = 96
        for number, (squeeze, expand) in FIRES.items():
            setattr(self, f"fire{number}", Fire(inputs, squeeze, expand, rngs=rngs))
            inputs = 2 * expand
        # Very small weights and a bias above zero: behind its ReLU a class map that starts negative everywhere has no
        # gradient and never learns.
        self.class_maps = conv(
            inputs,
            num_classes,
            1,
            padding=1 if variant == "caffe" else 0,
            bias=True,
            kernel_init=nnx.initializers.normal(0.001),
            bias_init=nnx.initializers.ones,
            rngs=rngs,
        )

    def __call__(self, x: Any) -> Any:
        x = max_pool_ceil(jax.nn.relu(self.stem(x)), 3, 2)
        for number in FIRES:
            x = getattr(self, f"fire{number}")(x)
            if number in (4, 8):
                x = max_pool_ceil(x, 3, 2)
        return jax.nn.relu(self.class_maps(x)).mean((1, 2))


_TORCH_FIRES = {3: 2, 4: 3, 5: 4, 7: 5, 8: 6, 9: 7, 10: 8, 12: 9}
TORCH_RULES: list[Rule] = [
    *torch_conv(r"features\.0", "stem"),
    *(
        rule
        for index, number in _TORCH_FIRES.items()
        for rule in (
            *torch_conv(rf"features\.{index}\.squeeze", f"fire{number}.squeeze"),
            *torch_conv(rf"features\.{index}\.expand(\d)x\d", f"fire{number}.expand{{0}}"),
        )
    ),
    *torch_conv(r"classifier\.1", "class_maps"),
]

CAFFE_RULES: list[Rule] = [
    *array_conv("conv1", "stem", "conv"),
    *array_conv(r"(fire\d)/conv1x1_1", "{0}.squeeze", "conv"),
    *array_conv(r"(fire\d)/conv1x1_2", "{0}.expand1", "conv"),
    *array_conv(r"(fire\d)/conv3x3_2", "{0}.expand3", "conv"),
    *array_conv("conv_final", "class_maps", "conv"),
]

register(
    from_module(
        "squeezenet",
        SqueezeNet,
        variants=("torchvision", "caffe"),
        layer="fire9",
        fixed_head=True,
        sources=(
            Source(
                library="torchvision",
                rules=TORCH_RULES,
                has=("features.5.squeeze.weight",),
                lacks=("features.6.squeeze.weight",),
                first="stem.kernel",
                classes_at="classifier.1.weight",
            ),
            Source(
                library="arrays",
                rules=CAFFE_RULES,
                has=("fire9/conv3x3_2/weight", "conv_final/weight"),
                style=Preprocess(scale=255.0, mean=(104.0, 117.0, 123.0), order="bgr"),
                first="stem.kernel",
                size=227,
                classes_at="conv_final/weight",
                variant="caffe",
            ),
        ),
        summary="SqueezeNet 1.0: fire modules; one map per class",
    )
)
