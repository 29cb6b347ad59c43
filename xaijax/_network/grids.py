"""Activations as pictures: `[B, h, w, C]` as they are, the tokens of a vision transformer put back on their grid.

Tokens `[B, T, C]` are taken as `T - h w` class or register tokens in front of an `h` by `w` grid of square patches,
with as few tokens in front as possible and at most 8. What fits no grid stays as it is.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

MAX_PREFIX = 8


@dataclass(frozen=True)
class View:
    """A layer's output with its class and register tokens set apart."""

    array: Any  # [B, h, w, C], or the output itself
    output: Any
    prefix: int | None  # tokens in front of the grid; None where the output is no token grid

    def shifted(self, offset: Any, name: str) -> Any:
        """The output with `offset` (of the shape of `array`) added."""
        self._check(offset, name, "the offset")
        if self.prefix is None:
            return self.output + offset
        offset = jnp.broadcast_to(offset, self.array.shape)
        tokens = offset.reshape(self.output.shape[0], -1, self.output.shape[-1])
        return self.output + jnp.pad(tokens, ((0, 0), (self.prefix, 0), (0, 0)))

    def replaced(self, values: Any, name: str) -> Any:
        """The output with `values` in place of `array`; class and register tokens stay."""
        self._check(values, name, "the replacement")
        values = jnp.broadcast_to(values, self.array.shape)
        if self.prefix is None:
            return values
        tokens = values.reshape(self.output.shape[0], -1, self.output.shape[-1])
        return jnp.concatenate([self.output[:, : self.prefix], tokens], axis=1)

    def _check(self, values: Any, name: str, what: str) -> None:
        try:
            fits = jnp.broadcast_shapes(values.shape, self.array.shape) == self.array.shape
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{what} for layer {name!r} must be {list(self.array.shape)}; got {list(values.shape)}")


def view(output: Any, size: tuple[int, int]) -> View:
    """`output` of any layer -> a view of it for images of `size` (height, width)."""
    if output.ndim != 3:
        return View(output, output, None)
    grid = token_grid(output.shape[1], size)
    if grid is None:
        return View(output, output, None)
    height, width = grid
    prefix = output.shape[1] - height * width
    shape = (output.shape[0], height, width, output.shape[2])
    if not hasattr(output, "at"):  # a ShapeDtypeStruct, where only the shape is wanted
        return View(type(output)(shape, output.dtype), output, prefix)
    return View(output[:, prefix:].reshape(shape), output, prefix)


def token_grid(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Rows and columns of the patch grid of an image of `size` among `tokens` tokens, or None.

    Example:
        >>> token_grid(197, (224, 224)), token_grid(201, (224, 224)), token_grid(7, (32, 32))
        ((14, 14), (14, 14), (2, 2))
    """
    height, width = size
    for prefix in range(min(MAX_PREFIX, tokens - 4) + 1):
        patches = tokens - prefix
        rows = round((patches * height / width) ** 0.5)
        if rows == 0 or patches % rows:
            continue
        columns = patches // rows
        # Patches are square: their height and width differ by less than a pixel where the last one is cut off.
        if abs(height / rows - width / columns) < 1:
            return rows, columns
    return None
