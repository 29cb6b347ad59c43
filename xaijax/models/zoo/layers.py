"""Building blocks that the families share. Arrays are NHWC; names of attributes are the names of layers.

Two habits of the sources differ and are kept apart by `padding`: torch pads the same number of pixels on both sides,
Keras' "same" pads the odd pixel at the end (as XLA's SAME does).
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax._network.convolution import conv_general_dilated

Padding = Literal["SAME", "VALID"] | int | Sequence[tuple[int, int]]


class Chain(nnx.Module):
    """Modules one after another, each an attribute under its own name: `Chain(block1=..., block2=...)`."""

    def __init__(self, **modules: Callable[[Any], Any]) -> None:
        self.order = tuple(modules)
        for name, module in modules.items():
            setattr(self, name, module)

    def __call__(self, x: Any) -> Any:
        for name in self.order:
            x = getattr(self, name)(x)
        return x


def pairs(padding: int | Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """One number for all four sides, or the pairs themselves."""
    return [(padding, padding), (padding, padding)] if isinstance(padding, int) else padding


_DRAWN = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")
_shapes_only: contextvars.ContextVar[bool] = contextvars.ContextVar("xaijax_shapes_only", default=False)


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Where modules are built for the shapes of their parameters: no numbers are drawn, which takes a third of the
    time of tracing a large network.
    """
    token = _shapes_only.set(True)
    try:
        yield
    finally:
        _shapes_only.reset(token)


def drawing() -> bool:
    """Whether the parameters of modules are drawn."""
    return not _shapes_only.get()


def HE(key: Any, shape: Any, *args: Any, **options: Any) -> Any:  # noqa: N802, a constant for those who use it
    """He's normal initialisation by the outgoing side."""
    return _DRAWN(key, shape, *args, **options) if drawing() else jnp.zeros(shape, *args)


def conv(
    inputs: int,
    outputs: int,
    size: int | tuple[int, int],
    stride: int = 1,
    *,
    padding: Padding | None = None,
    groups: int = 1,
    bias: bool = False,
    kernel_init: nnx.Initializer = HE,
    bias_init: nnx.Initializer = nnx.initializers.zeros,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """A convolution; `padding` None is half the kernel on every side, as torch models write it."""
    height, width = (size, size) if isinstance(size, int) else size
    if padding is None:
        padding = [(height // 2, height // 2), (width // 2, width // 2)]
    return nnx.Conv(
        inputs,
        outputs,
        (height, width),
        (stride, stride),
        padding=padding if isinstance(padding, str) else pairs(padding),
        feature_group_count=groups,
        use_bias=bias,
        kernel_init=kernel_init,
        bias_init=bias_init,
        conv_general_dilated=conv_general_dilated,
        rngs=rngs,
    )


def batch_norm(features: int, epsilon: float = 1e-5, *, scale: bool = True, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch normalisation over the last axis; the variance is the mean squared deviation, as in both sources."""
    return nnx.BatchNorm(features, epsilon=epsilon, momentum=0.9, use_scale=scale, use_fast_variance=False, rngs=rngs)


class ConvNorm(nnx.Module):
    """Convolution, batch normalisation unless `norm` is False, activation unless it is None."""

    FOLDS = (("conv", "norm"),)  # see Classifier.optimized

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int | tuple[int, int],
        stride: int = 1,
        *,
        padding: Padding | None = None,
        groups: int = 1,
        bias: bool = False,
        epsilon: float = 1e-5,
        scale: bool = True,
        norm: bool = True,
        activation: Callable[[Any], Any] | None = jax.nn.relu,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv = conv(inputs, outputs, size, stride, padding=padding, groups=groups, bias=bias, rngs=rngs)
        self.norm = batch_norm(outputs, epsilon, scale=scale, rngs=rngs) if norm else None
        self.activation = activation

    def __call__(self, x: Any) -> Any:
        x = self.conv(x)
        x = x if self.norm is None else self.norm(x)
        return x if self.activation is None else self.activation(x)


class NormRelu(nnx.Module):
    """Batch normalisation and ReLU."""

    def __init__(self, features: int, epsilon: float, *, rngs: nnx.Rngs) -> None:
        self.norm = batch_norm(features, epsilon, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return jax.nn.relu(self.norm(x))


def max_pool(x: Any, size: int, stride: int, padding: int | str | Sequence[tuple[int, int]] = 0) -> Any:
    """Maximum over windows; padding never wins."""
    return nnx.max_pool(x, (size, size), (stride, stride), padding if isinstance(padding, str) else pairs(padding))


def max_pool_ceil(x: Any, size: int, stride: int, padding: int = 0) -> Any:
    """Maximum over windows where a last, partial window counts (`ceil_mode=True` in torch)."""

    def behind(length: int) -> int:
        windows = -(-(length + 2 * padding - size) // stride) + 1
        # torch drops a window that would start in the padding behind the end.
        windows -= (windows - 1) * stride >= length + padding
        return max((windows - 1) * stride + size - length - padding, 0)

    return max_pool(x, size, stride, [(padding, behind(x.shape[1])), (padding, behind(x.shape[2]))])


def average_pool(x: Any, size: int, stride: int, padding: int | str = 0, *, count_padding: bool = False) -> Any:
    """Mean over windows; padded pixels are left out of the mean unless `count_padding`."""
    pads = padding if isinstance(padding, str) else pairs(padding)
    return nnx.avg_pool(x, (size, size), (stride, stride), pads, count_include_pad=count_padding)


def adaptive_average_pool(x: Any, size: int) -> Any:
    """Mean over `size` by `size` windows that cover the picture, as torch's AdaptiveAvgPool2d places them."""

    def weights(length: int) -> Any:
        rows = []
        for i in range(size):
            first, last = i * length // size, -(-(i + 1) * length // size)
            rows.append([1.0 / (last - first) if first <= j < last else 0.0 for j in range(length)])
        return jnp.asarray(rows, x.dtype)

    return jnp.einsum("bhwc,ih,jw->bijc", x, weights(x.shape[1]), weights(x.shape[2]))


def pooled(x: Any, pool: str) -> Any:
    """`[B, h, w, C]` -> `[B, n]`: the mean or maximum over all positions, or flattened row by row, channels last."""
    if pool == "average":
        return x.mean((1, 2))
    return x.max((1, 2)) if pool == "max" else x.reshape(x.shape[0], -1)


class Head(nnx.Module):
    """What stands behind the last convolution: pooling or flattening, hidden dense layers with ReLU, the logits.

    Args:
        features: channels of the last convolution.
        num_classes: number of logits.
        pool: `"average"` or `"max"` over all positions, or `"flatten"` (row by row, channels last).
        positions: positions of the last convolution's output; counts for `"flatten"` alone.
        hidden: widths of the dense layers before the logits.
        dropout: share of values dropped before each dense layer in training.
    """

    def __init__(
        self,
        features: int,
        num_classes: int,
        *,
        pool: Literal["average", "max", "flatten"] = "average",
        positions: int = 1,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ) -> None:
        self.pool = pool
        features = features * positions if pool == "flatten" else features
        self.hidden_names = tuple(f"hidden{i}" for i in range(1, len(hidden) + 1))
        for name, width in zip(self.hidden_names, hidden, strict=True):
            setattr(self, name, nnx.Linear(features, width, rngs=rngs))
            features = width
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None
        self.logits = nnx.Linear(features, num_classes, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = pooled(x, self.pool)
        for name in self.hidden_names:
            x = jax.nn.relu(getattr(self, name)(x if self.dropout is None else self.dropout(x)))
        return self.logits(x if self.dropout is None else self.dropout(x))
