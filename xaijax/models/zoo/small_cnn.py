"""A small convolutional network for medical images of any size: the built-in model, and a quick baseline.

Six convolutions with batch normalisation and ReLU, global average pooling and one dense layer, so that plain CAM
applies. The last one works at 1/8 of the input's resolution (16x16 of 128x128) and sees 59 pixels a side. 77
thousand parameters with one channel and three classes, 0.3 MB in float32; 30 million multiply-adds at 128x128.
"""

from typing import Any

import jax
from flax import nnx

from xaijax.models.zoo._entry import Entry, register

MOMENTUM = 0.9  # of the running statistics: short trainings see few batches


class Unit(nnx.Module):
    """Convolution, batch normalisation, ReLU."""

    FOLDS = (("conv", "norm"),)  # see Classifier.optimized

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, *, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(
            inputs,
            outputs,
            (size, size),
            (stride, stride),
            use_bias=False,
            kernel_init=nnx.initializers.he_normal(),
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(outputs, momentum=MOMENTUM, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return jax.nn.relu(self.norm(self.conv(x)))


class Block(nnx.Module):
    """A maximum over 2x2 pixels, then two 3x3 units."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.unit1 = Unit(inputs, outputs, 3, 1, rngs=rngs)
        self.unit2 = Unit(outputs, outputs, 3, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.unit2(self.unit1(nnx.max_pool(x, (2, 2), (2, 2))))


class SmallCNN(nnx.Module):
    """Images `[B, H, W, C]` -> logits `[B, K]`; from `width` channels in the stem to six times as many in the end."""

    def __init__(self, num_classes: int, channels: int, *, width: int = 16, rngs: nnx.Rngs) -> None:
        self.stem = Unit(channels, width, 5, 2, rngs=rngs)
        self.block1 = Block(width, 2 * width, rngs=rngs)
        self.block2 = Block(2 * width, 4 * width, rngs=rngs)
        self.top = Unit(4 * width, 6 * width, 1, 1, rngs=rngs)
        self.dense = nnx.Linear(6 * width, num_classes, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.top(self.block2(self.block1(self.stem(x))))
        return self.dense(x.mean((1, 2)))


def build(num_classes: int, input_shape: tuple[int, int, int], rngs: nnx.Rngs, *, width: int = 16) -> SmallCNN:
    """The network for images of `input_shape`."""
    if width < 1:
        raise ValueError(f"width must be a positive integer; got {width}")
    return SmallCNN(num_classes, input_shape[2], width=width, rngs=rngs)


register(
    Entry(
        name="small_cnn",
        build=build,
        input_shape=(128, 128, 1),
        minimum=16,
        layer="top",
        options=("width",),
        summary="6 convolutions, batch norm, pooling and dense; 0.3 MB",
    )
)
