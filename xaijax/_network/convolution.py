"""Convolutions in the form that XLA runs fastest.

A 1x1 convolution is a matrix product over the channels. XLA's CPU compiler runs it as a convolution all the same,
which is slower.
"""

from collections.abc import Sequence
from typing import Any

from jax import lax


def conv_general_dilated(images: Any, kernel: Any, window_strides: Sequence[int], padding: Any, **options: Any) -> Any:
    """`jax.lax.conv_general_dilated`, with 1x1 convolutions of `[B, H, W, I]` by `[1, 1, I, O]` as matrix products.

    Made for the argument of that name of `flax.nnx.Conv`.

    Args:
        images: as in `jax.lax`.
        kernel: as in `jax.lax`.
        window_strides: as in `jax.lax`.
        padding: as in `jax.lax`.
        **options: as in `jax.lax`.

    Returns:
        The same values, up to rounding.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax._network.convolution import conv_general_dilated
        >>> numbers = ("NHWC", "HWIO", "NHWC")
        >>> images, kernel = jnp.ones((1, 5, 5, 3)), jnp.ones((1, 1, 3, 4))
        >>> conv_general_dilated(images, kernel, (2, 2), "VALID", dimension_numbers=numbers).shape
        (1, 3, 3, 4)
    """
    if not _is_product(images, kernel, padding, options):
        return lax.conv_general_dilated(images, kernel, window_strides, padding, **options)
    down, across = window_strides
    if down > 1 or across > 1:
        images = images[:, ::down, ::across]
    return lax.dot_general(
        images,
        kernel.reshape(kernel.shape[2:]),
        (((3,), (0,)), ((), ())),
        precision=options.get("precision"),
        preferred_element_type=options.get("preferred_element_type"),
    )


def _is_product(images: Any, kernel: Any, padding: Any, options: dict[str, Any]) -> bool:
    if images.ndim != 4 or kernel.shape[:2] != (1, 1) or options.get("feature_group_count", 1) != 1:
        return False
    numbers = lax.conv_dimension_numbers(images.shape, kernel.shape, options.get("dimension_numbers"))
    usual = lax.conv_dimension_numbers(images.shape, kernel.shape, ("NHWC", "HWIO", "NHWC"))
    dilated = any(side != 1 for side in options.get("lhs_dilation") or ())
    # A kernel of one pixel needs no padding to give the same size.
    padded = padding not in ("SAME", "VALID") and any(side != 0 for pair in padding for side in pair)
    return numbers == usual and not dilated and not padded and options.get("batch_group_count", 1) == 1
