"""A small convolutional network for medical images of any size: the built-in model, and a quick baseline.

Six convolutions with batch normalisation and ReLU, global average pooling and one dense layer, so that plain CAM
applies. The last one works at 1/8 of the input's resolution (16x16 of 128x128) and sees 59 pixels a side. 77
thousand parameters with one channel and three classes, 0.3 MB in float32; 30 million multiply-adds at 128x128.
"""

from typing import Any

import jax
from flax import nnx

from xaijax.models.zoo._entry import Entry, check_pool, register
from xaijax.models.zoo.layers import pooled

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
    """Images `[B, H, W, C]` -> logits `[B, K]`; from `width` channels in the stem to six times as many in the end.

    Args:
        num_classes: number of logits.
        channels: of the images.
        width: channels of the stem.
        pool: `"average"` or `"max"` over all positions, or `"flatten"`.
        positions: how many positions the last activations have; counts for `"flatten"` alone.
        dropout: share of values dropped before the dense layer in training.
        rngs: of the weights.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        *,
        width: int = 16,
        pool: str = "average",
        positions: int = 1,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ) -> None:
        self.pool = pool
        self.stem = Unit(channels, width, 5, 2, rngs=rngs)
        self.block1 = Block(width, 2 * width, rngs=rngs)
        self.block2 = Block(2 * width, 4 * width, rngs=rngs)
        self.top = Unit(4 * width, 6 * width, 1, 1, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None
        self.dense = nnx.Linear(6 * width * (positions if pool == "flatten" else 1), num_classes, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = pooled(self.top(self.block2(self.block1(self.stem(x)))), self.pool)
        return self.dense(x if self.dropout is None else self.dropout(x))


def build(
    num_classes: int,
    input_shape: tuple[int, int, int],
    rngs: nnx.Rngs,
    *,
    width: int = 16,
    pool: str = "average",
    dropout: float = 0.0,
) -> SmallCNN:
    """The network for images of `input_shape`."""
    if width < 1:
        raise ValueError(f"width must be a positive integer; got {width}")
    check_pool(pool)
    # The stem halves rounding up, the maxima halve rounding down.
    rows, columns = ((side + 1) // 2 // 2 // 2 for side in input_shape[:2])
    return SmallCNN(
        num_classes, input_shape[2], width=width, pool=pool, positions=rows * columns, dropout=dropout, rngs=rngs
    )


register(
    Entry(
        name="small_cnn",
        build=build,
        input_shape=(128, 128, 1),
        minimum=16,
        layer="top",
        options=("dropout", "pool", "width"),
        summary="6 convolutions, batch norm, pooling and dense; 0.3 MB",
    )
)
