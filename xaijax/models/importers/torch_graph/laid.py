"""Arrays whose axes lie in another order than the model means them.

PyTorch's images are `[B, C, H, W]`; XLA's CPU and TPU compilers want `[B, H, W, C]`. A `Laid` is an array together with
the order of its axes, so that a permutation costs nothing and a chain of convolutions, normalisations and activations
stays in XLA's order. Operations speak of *logical* axes (those of the PyTorch graph); an operation that does not care
about the order keeps it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Laid:
    """An array and where its logical axes are.

    Args:
        array: as it lies in memory.
        order: logical axis i is axis `order[i]` of `array`.
    """

    array: Any
    order: tuple[int, ...]

    @classmethod
    def of(cls, array: Any) -> "Laid":
        """An array whose axes lie as they are meant."""
        return cls(array, tuple(range(array.ndim)))

    @classmethod
    def arranged_as(cls, array: Any, arrangement: Sequence[int]) -> "Laid":
        """An array whose axis k is the logical axis `arrangement[k]`."""
        return cls(array, inverse(arrangement))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.order)

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return tuple(self.array.shape[axis] for axis in self.order)

    @property
    def dtype(self) -> Any:
        """Of the array."""
        return self.array.dtype

    def logical(self) -> Any:
        """The array with its axes as they are meant."""
        return self.array if self._straight else self.array.transpose(self.order)

    def arranged(self, arrangement: Sequence[int]) -> Any:
        """The array with logical axis `arrangement[k]` as its axis k."""
        wanted = tuple(self.order[axis] for axis in arrangement)
        return self.array if wanted == tuple(range(self.ndim)) else self.array.transpose(wanted)

    def axis(self, dim: int) -> int:
        """Where the logical axis `dim` (negative from the end) lies."""
        return self.order[dim]

    def axes(self, dims: Sequence[int]) -> tuple[int, ...]:
        """The same for several."""
        return tuple(self.order[dim] for dim in dims)

    def along(self, vector: Any, dim: int) -> Any:
        """`vector` with the axes that broadcast it along the logical axis `dim` of this array as it lies."""
        shape = [1] * self.ndim
        shape[self.axis(dim)] = -1
        return vector.reshape(shape)

    def kept(self, array: Any) -> "Laid":
        """Another array of the same order."""
        return Laid(array, self.order)

    @property
    def _straight(self) -> bool:
        return self.order == tuple(range(self.ndim))


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `order`."""
    return tuple(int(axis) for axis in np.argsort(order))


def together(function: Callable[..., Any], *operands: Any) -> Laid:
    """An elementwise function of arrays and numbers that broadcast, in the order of the first one with most axes."""
    ndim = max(operand.ndim for operand in operands if isinstance(operand, Laid))
    first = next(operand for operand in operands if isinstance(operand, Laid) and operand.ndim == ndim)
    arrangement = inverse(first.order)
    return first.kept(function(*(aligned(operand, ndim, arrangement) for operand in operands)))


def aligned(operand: Any, ndim: int, arrangement: Sequence[int]) -> Any:
    """A number unchanged; an array with `ndim` axes that lie as `arrangement`."""
    if not isinstance(operand, Laid):
        return operand
    if operand.ndim == 0:
        return operand.array
    missing = ndim - operand.ndim
    if missing:
        operand = Laid.of(operand.logical().reshape((1,) * missing + operand.shape))
    return operand.arranged(arrangement)


def dot(x: Laid, weight: Laid, inputs: int) -> Laid:
    """Matrix product over the last logical axis of `x` and the axis `inputs` of a matrix; nothing is transposed."""
    contracted = x.axis(-1)
    array = jnp.tensordot(x.array, weight.array, ((contracted,), (weight.axis(inputs),)))
    kept = [axis - (axis > contracted) for axis in x.order[:-1]]
    return Laid(array, (*kept, x.ndim - 1))
