"""What the attention methods share: the layers of attention weights, their gradients, and the way back to the image.

The attention weights of block l are a layer `A_l` `[heads, T, T]`, rows are queries; `G_l = dy/dA_l` goes through all
that follows. T counts the class token and other tokens in front of the patches, which are the columns of the map.
"""

import math
from collections.abc import Callable, Sequence
from typing import Annotated

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._network.grids import token_grid
from xaijax._options import Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._resize import resize
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps

Last = Annotated[int, Range(1)] | None
"""How many of the last blocks are used; None for all."""


def attention_layers(classifier: Classifier) -> tuple[str, ...]:
    """Names of the layers that give attention weights, from the first block to the last."""
    return tuple(name for name, shape in classifier.layers().items() if _is_attention(shape) and "att" in name.lower())


def _is_attention(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] == shape[2]


def chosen_layers(classifier: Classifier, layer: _maps.Layers, method: str) -> tuple[str, ...]:
    """The requested attention layers, or all of them; refuses a model that shows none."""
    if layer is None:
        names = attention_layers(classifier)
        if not names:
            raise InputError(
                f"{method} needs a vision transformer that shows its attention weights as layers (heads, T, T); this "
                "model has none (attention in windows, as in Swin, is not defined for it): use grad_cam"
            )
        return names
    names = (layer,) if isinstance(layer, str) else tuple(layer)
    if not names:
        raise InputError("layer must name at least one layer; got none")
    known = classifier.layers()
    for name in names:
        if name in known and not _is_attention(known[name]):
            raise InputError(
                f"{method} takes layers of attention weights (heads, T, T); layer {name!r} is {known[name]} per image: "
                f"choose from {', '.join(attention_layers(classifier)) or 'none'}"
            )
    return names


def weights_and_gradients(
    classifier: Classifier, images: jax.Array, labels: jax.Array | None, names: Sequence[str], target: Target
) -> tuple[list[jax.Array], list[jax.Array]]:
    """`A_l` and `G_l` `[B, heads, T, T]` of every named layer, in one forward and one backward pass."""
    taps, grads = _maps.activations_and_gradients(classifier, images, labels, names, target)
    return [taps[name] for name in names], [grads[name] for name in names]


def patch_grid(tokens: int, size: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """Rows and columns of the patches, and the number of tokens in front of them."""
    grid = token_grid(tokens, size)
    if grid is None:
        raise InputError(f"{tokens} tokens fit no grid of square patches of a {size[0]} x {size[1]} image")
    return grid, tokens - math.prod(grid)


def on_image(tokens: jax.Array, size: tuple[int, int]) -> jax.Array:
    """One value per token `[B, T]` -> `[B, H, W]` float32; the tokens in front of the patches are dropped."""
    grid, prefix = patch_grid(tokens.shape[-1], size)
    return resize(tokens[:, prefix:].reshape(-1, *grid), size).astype(jnp.float32)


def read_row(relevance: jax.Array, last_gradient: jax.Array, size: tuple[int, int]) -> jax.Array:
    """The row of `[B, T, T]` that belongs to what the head reads, `[B, T]`.

    That of the class token; the mean over the patches' rows where there is no class token, and where the head reads
    the patches although there is one (BEiT). In the last block a token's row of weights acts on that token alone, so a
    row without any gradient belongs to a token that the head does not read.
    """
    prefix = patch_grid(relevance.shape[-1], size)[1]
    patches = relevance[:, prefix:].mean(1)
    if not prefix:
        return patches
    moves = (last_gradient != 0).any((1, 3))
    reads_class = moves[:, 0] | ~moves.any(1)
    return jnp.where(reads_class[:, None], relevance[:, 0], patches)


def read_maps(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    names: Sequence[str],
    target: Target,
    batch_size: int,
    combine: Callable[[Sequence[jax.Array], Sequence[jax.Array]], jax.Array],
) -> jax.Array:
    """Maps of what `combine` makes of the attention weights of some blocks and their gradients.

    Args:
        classifier: a vision transformer.
        images: `[B, H, W, C]`.
        labels: `[B]`, or None for the predicted class.
        names: the attention layers, first block first.
        target: what is explained.
        batch_size: most images in one forward and backward pass.
        combine: `[B, heads, T, T]` weights and gradients of each block to `[B, T, T]`.

    Returns:
        `[B, H, W]`, the row that belongs to what the head reads.
    """
    size = (images.shape[1], images.shape[2])

    def maps(group: tuple) -> jax.Array:
        weights, grads = weights_and_gradients(classifier, group[0], group[1], names, target)
        return on_image(read_row(combine(weights, grads), grads[-1], size), size)

    return _chunk.map_images(maps, (images, labels), batch_size)
