"""The registry of architectures: what each one says about itself.

A file of this package defines the module of an architecture (or a family of them) and calls `register` once for each;
the package's `__init__` imports the file. All lists of architectures and of their weights are queries on the registry.

The classes of the zoo are made by `cls(name, num_classes, channels, *, variant, head, rngs)`, have a method `features`
(`[B, H, W, C]` -> `[B, h, w, c]`) and a `head`. A user chooses `variant`, and `pool`, `hidden`, `dropout` of the head.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax._errors import InputError
from xaijax._names import match, normal
from xaijax.models.zoo._weights import Source

POOLS = ("average", "max", "flatten")


@dataclass(frozen=True)
class Entry:
    """One architecture of the registry.

    Args:
        name: its name in `xaijax.models.create`.
        build: `(num_classes, input_shape, rngs, **options)` -> module, `[B, H, W, C]` -> logits `[B, K]`.
        input_shape: (H, W, C) it is made for, where the user says nothing.
        minimum: smallest side in pixels that it takes.
        layer: its default layer for CAM methods, or None to infer it.
        options: names of the options that `build` takes.
        variants: the values of its option `variant`, the default first.
        preprocess: style of `xaijax.preprocess` of its usual weights; what it is trained with here.
        sources: weights of other libraries that it takes.
        summary: one line.
    """

    name: str
    build: Callable[..., nnx.Module] = field(repr=False)
    input_shape: tuple[int, int, int]
    minimum: int = 32
    layer: str | None = None
    options: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    preprocess: str = "identity"
    sources: tuple[Source, ...] = field(default=(), repr=False)
    summary: str = ""

    def check(self, num_classes: int, input_shape: tuple[int, int, int], options: Mapping[str, Any]) -> None:
        """Refuse sizes and options that it does not have, in one sentence."""
        if num_classes < 1:
            raise InputError(f"num_classes must be 1 or more; got {num_classes}")
        height, width, channels = input_shape
        if min(height, width) < self.minimum or channels not in (1, 3):
            raise InputError(
                f"{self.name} takes images of {self.minimum} pixels a side or more with 1 or 3 channels; "
                f"got {list(input_shape)}"
            )
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            known = f"; it has {', '.join(self.options)}" if self.options else "; it has none"
            raise InputError(f"{self.name} has no option {', '.join(unknown)}{known}")


_ENTRIES: dict[str, Entry] = {}


def register(entry: Entry) -> Entry:
    """Put an architecture into the registry.

    Args:
        entry: what it says about itself.

    Returns:
        The entry, with its name in its sources.

    Raises:
        ValueError: for a name that is there already, in any spelling.
    """
    if normal(entry.name) in map(normal, _ENTRIES):
        raise ValueError(f"the registry has an architecture {entry.name!r} already")
    sources = tuple(dataclasses.replace(source, architecture=entry.name) for source in entry.sources)
    _ENTRIES[entry.name] = dataclasses.replace(entry, sources=sources)
    return _ENTRIES[entry.name]


def list_models() -> tuple[str, ...]:
    """The names of all architectures, sorted.

    Returns:
        Names that `create` takes.

    Example:
        >>> from xaijax import models
        >>> "small_cnn" in models.list_models()
        True
    """
    return tuple(sorted(_ENTRIES))


def entry(name: str) -> Entry:
    """What is known about one architecture.

    Args:
        name: one of `list_models()`, in any spelling: "ResNet-50", "resnet50".

    Returns:
        Its entry.

    Raises:
        ValueError: for an unknown name, with the closest known ones.

    Example:
        >>> entry("EfficientNet-B0").name, entry("ViT-B/16").layer
        ('efficientnet_b0', 'blocks.block12.norm1')
    """
    return _ENTRIES[match("model", name, list_models())]


def sources() -> tuple[Source, ...]:
    """The weights of other libraries that the architectures take, in the order of the registry."""
    return tuple(source for entry in _ENTRIES.values() for source in entry.sources)


def from_module(
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
    sources: Sequence[Source] = (),
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
        sources: weights of other libraries that it takes.
        summary: one line.

    Returns:
        The entry, for `register`.
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
            raise InputError(f"variant of {name} must be one of {', '.join(variants)}; got {variant!r}")
        height, width, channels = input_shape
        if height % divisor or width % divisor:
            raise InputError(f"{name} takes images whose sides are multiples of {divisor}; got {list(input_shape)}")
        if fixed_head:
            return module(name, num_classes, channels, variant=variant, head={}, rngs=rngs)
        chosen = usual | options
        chosen["hidden"] = tuple(chosen["hidden"])
        check_pool(chosen["pool"])
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
        variants=variants,
        preprocess=preprocess,
        sources=tuple(sources),
        summary=summary,
    )


def check_pool(pool: str) -> None:
    """Refuses a way to pool that there is not."""
    if pool not in POOLS:
        raise InputError(f"pool must be one of {', '.join(POOLS)}; got {pool!r}")


def _traced_positions(module: Callable[..., Any], name: str, input_shape: Sequence[int], variant: str) -> int:
    """How many positions the last activations have, without running anything."""

    def features(x: Any) -> Any:
        model = module(name, 2, input_shape[2], variant=variant, head={}, rngs=nnx.Rngs(0))
        model.eval()
        return model.features(x)

    shape = jax.eval_shape(features, jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)).shape
    return int(shape[1] * shape[2])
