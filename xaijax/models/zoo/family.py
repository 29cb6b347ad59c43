"""How the modules of the zoo become entries of the registry.

The classes of the zoo are made by `cls(name, num_classes, channels, *, variant, head, rngs)`, have a method `features`
(`[B, H, W, C]` -> `[B, h, w, c]`) and a `head`. A user chooses `variant`, and `pool`, `hidden`, `dropout` of the head.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax.models.zoo._entry import Entry

POOLS = ("average", "max", "flatten")


def entry(
    name: str,
    module: Callable[..., Any],
    *,
    variants: tuple[str, ...],
    size: int = 224,
    minimum: int = 32,
    layer: str,
    preprocess: str = "torch",
    head: Mapping[str, Any] | None = None,
    fixed_head: bool = False,
    positions: Callable[[str, int, int], int | None] = lambda variant, height, width: None,
    shape_options: Callable[[int, int], Mapping[str, Any]] = lambda height, width: {},
    divisor: int = 1,
    summary: str,
) -> Entry:
    """An entry for a class of the zoo.

    Args:
        name: registry name, given to the class.
        module: the class.
        variants: its variants, the default first.
        size: side in pixels that it is made for.
        minimum: smallest side.
        layer: default layer.
        preprocess: style of its usual weights.
        head: options of its usual head that differ from average pooling and one dense layer.
        fixed_head: True for a family that has no head of dense layers.
        positions: `(variant, height, width)` -> positions that a flattening head reads, or None to trace them.
        shape_options: `(height, width)` -> further options that the class finds in `head`.
        divisor: sides must be multiples of it.
        summary: one line.

    Returns:
        The entry.
    """
    usual: dict[str, Any] = {"pool": "average", "hidden": (), "dropout": 0.0} | dict(head or {})

    def build(
        num_classes: int,
        input_shape: tuple[int, int, int],
        rngs: nnx.Rngs,
        *,
        variant: str = variants[0],
        **options: Any,
    ) -> nnx.Module:
        if variant not in variants:
            raise ValueError(f"variant of {name} must be one of {', '.join(variants)}; got {variant!r}")
        height, width, channels = input_shape
        if height % divisor or width % divisor:
            raise ValueError(f"{name} takes images whose sides are multiples of {divisor}; got {list(input_shape)}")
        if fixed_head:
            return module(name, num_classes, channels, variant=variant, head={}, rngs=rngs)
        chosen = usual | options
        chosen["hidden"] = tuple(chosen["hidden"])
        if chosen["pool"] not in POOLS:
            raise ValueError(f"pool must be one of {', '.join(POOLS)}; got {chosen['pool']!r}")
        if chosen["pool"] == "flatten":
            found = positions(variant, height, width)
            chosen["positions"] = found or _traced_positions(module, name, input_shape, variant)
        chosen |= shape_options(height, width)
        return module(name, num_classes, channels, variant=variant, head=chosen, rngs=rngs)

    return Entry(
        name=name,
        build=build,
        input_shape=(size, size, 3),
        minimum=minimum,
        layer=layer,
        options=("variant",) if fixed_head else ("dropout", "hidden", "pool", "variant"),
        preprocess=preprocess,
        summary=summary,
    )


def _traced_positions(module: Callable[..., Any], name: str, input_shape: Sequence[int], variant: str) -> int:
    """How many positions the last activations have, without running anything."""

    def features(x: Any) -> Any:
        model = module(name, 2, input_shape[2], variant=variant, head={}, rngs=nnx.Rngs(0))
        model.eval()
        return model.features(x)

    shape = jax.eval_shape(features, jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)).shape
    return int(shape[1] * shape[2])
