"""Inception v3, without auxiliary logits.

`variant="torchvision"` counts padded pixels in its mean pools and its batch norm has a scale; `variant="keras"` leaves
padded pixels out and has no scale. A block is a dictionary of branches; a branch is a tuple of `(channels, kernel)`
units one after another, and the order of all units is the order in which Keras numbers its layers.

References:
    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, keras_conv, keras_norm, torch_conv, torch_norm
from xaijax.models.zoo.layers import Chain, ConvNorm, Head, Padding, average_pool, max_pool

EPSILON = 1e-3
Size = int | tuple[int, int]
Branches = Mapping[str, Sequence[tuple[int, Size]]]

FIRST = "stem.conv1a.conv.kernel"  # reads the image
STEM: tuple[tuple[str, int, int, int, Padding], ...] = (
    ("conv1a", 32, 3, 2, "VALID"),
    ("conv2a", 32, 3, 1, "VALID"),
    ("conv2b", 64, 3, 1, "SAME"),
    ("conv3b", 80, 1, 1, "VALID"),
    ("conv4a", 192, 3, 1, "VALID"),
)


def _first(pool: int) -> Branches:
    return {
        "branch1x1": [(64, 1)],
        "branch5x5": [(48, 1), (64, 5)],
        "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
        "branch_pool": [(pool, 1)],
    }


def _second(width: int) -> Branches:
    row, column = (1, 7), (7, 1)
    return {
        "branch1x1": [(192, 1)],
        "branch7x7": [(width, 1), (width, row), (192, column)],
        "branch7x7dbl": [(width, 1), (width, column), (width, row), (width, column), (192, row)],
        "branch_pool": [(192, 1)],
    }


# The last unit of each branch of a reduction has stride 2 and no padding.
REDUCTIONS: dict[str, Branches] = {
    "mixed_6a": {"branch3x3": [(384, 3)], "branch3x3dbl": [(64, 1), (96, 3), (96, 3)]},
    "mixed_7a": {
        "branch3x3": [(192, 1), (320, 3)],
        "branch7x7x3": [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)],
    },
}
# Their last two units stand side by side.
SPLIT: Branches = {
    "branch1x1": [(320, 1)],
    "branch3x3": [(384, 1), (384, (1, 3)), (384, (3, 1))],
    "branch3x3dbl": [(448, 1), (384, 3), (384, (1, 3)), (384, (3, 1))],
    "branch_pool": [(192, 1)],
}
BLOCKS: dict[str, Branches] = {
    "mixed_5b": _first(32),
    "mixed_5c": _first(64),
    "mixed_5d": _first(64),
    "mixed_6a": REDUCTIONS["mixed_6a"],
    "mixed_6b": _second(128),
    "mixed_6c": _second(160),
    "mixed_6d": _second(160),
    "mixed_6e": _second(192),
    "mixed_7a": REDUCTIONS["mixed_7a"],
    "mixed_7b": SPLIT,
    "mixed_7c": SPLIT,
}


class Mixed(nnx.Module):
    """Branches side by side, their channels concatenated; a pooling branch last."""

    def __init__(self, name: str, inputs: int, *, options: dict[str, Any], count_padding: bool, rngs: nnx.Rngs) -> None:
        reduction, split = name in REDUCTIONS, BLOCKS[name] is SPLIT
        self.reduction, self.count_padding = reduction, count_padding
        self.outputs = 0
        self.branches = tuple(BLOCKS[name])
        for branch, units in BLOCKS[name].items():
            made: dict[str, ConvNorm] = {}
            width = inputs
            fork = len(units) - 2 if split and len(units) > 2 else len(units)
            for index, (channels, size) in enumerate(units):
                ends = reduction and index == len(units) - 1
                made[f"unit{index + 1}"] = ConvNorm(
                    width, channels, size, 2 if ends else 1, padding="VALID" if ends else None, **options, rngs=rngs
                )
                width = channels if index < fork else width
            setattr(self, branch, Fork(**made) if fork < len(units) else Chain(**made))
            self.outputs += 2 * width if fork < len(units) else width
        self.outputs += inputs if reduction else 0

    def __call__(self, x: Any) -> Any:
        parts = []
        for branch in self.branches:
            pooled = branch == "branch_pool"
            y = average_pool(x, 3, 1, 1, count_padding=self.count_padding) if pooled else x
            parts.append(getattr(self, branch)(y))
        if self.reduction:
            parts.append(max_pool(x, 3, 2))
        return jnp.concatenate(parts, axis=-1)


class Fork(Chain):
    """A chain whose last two modules stand side by side."""

    def __call__(self, x: Any) -> Any:
        *trunk, left, right = self.order
        for name in trunk:
            x = getattr(self, name)(x)
        return jnp.concatenate([getattr(self, left)(x), getattr(self, right)(x)], axis=-1)


class InceptionV3(nnx.Module):
    """Five convolutions and eleven mixed blocks."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        keras = variant == "keras"
        options: dict[str, Any] = {"epsilon": EPSILON, "scale": not keras}
        stem = {}
        for unit, width, size, stride, padding in STEM:
            stem[unit] = ConvNorm(channels, width, size, stride, padding=padding, **options, rngs=rngs)
            channels = width
        self.stem = Chain(**{unit: stem[unit] for unit in ("conv1a", "conv2a", "conv2b")})
        self.stem2 = Chain(**{unit: stem[unit] for unit in ("conv3b", "conv4a")})
        for block in BLOCKS:
            made = Mixed(block, channels, options=options, count_padding=not keras, rngs=rngs)
            setattr(self, block, made)
            channels = made.outputs
        self.head = Head(channels, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        x = max_pool(self.stem2(max_pool(self.stem(x), 3, 2)), 3, 2)
        for block in BLOCKS:
            x = getattr(self, block)(x)
        return x

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


def units() -> list[str]:
    """Paths of all units, in the order in which Keras numbers them."""
    stem = [f"stem{'2' if unit in ('conv3b', 'conv4a') else ''}.{unit}" for unit, *_ in STEM]
    return stem + [
        f"{block}.{branch}.unit{index}"
        for block, branches in BLOCKS.items()
        for branch, parts in branches.items()
        for index in range(1, len(parts) + 1)
    ]


_STEM_NAMES = {
    "1a": "stem.conv1a",
    "2a": "stem.conv2a",
    "2b": "stem.conv2b",
    "3b": "stem2.conv3b",
    "4a": "stem2.conv4a",
}
_MIXED = r"Mixed_(\d\w)\.(branch\w+?)"


def _torch_unit(source: str, target: str) -> list[Rule]:
    return [*torch_conv(rf"{source}\.conv", f"{target}.conv"), *torch_norm(rf"{source}\.bn", f"{target}.norm")]


TORCH_RULES: list[Rule] = [
    *(rule for key, path in _STEM_NAMES.items() for rule in _torch_unit(rf"Conv2d_{key}_\dx\d", path)),
    # "branch3x3_2a" and "_2b" (and "3a", "3b") are units next to each other.
    *_torch_unit(_MIXED + r"_(\d)a", "mixed_{0}.{1}.unit{2}"),
    *_torch_unit(_MIXED + r"_(\d)b", "mixed_{0}.{1}.unit{2+1}"),
    *_torch_unit(_MIXED + r"_(\d)", "mixed_{0}.{1}.unit{2}"),
    *_torch_unit(r"Mixed_(\d\w)\.(branch1x1|branch3x3|branch_pool)", "mixed_{0}.{1}.unit1"),
]
KERAS_RULES: list[Rule] = [
    rule
    for index, path in enumerate(units())
    for rule in (
        *keras_conv(f"conv2d#{index}", f"{path}.conv"),
        *keras_norm(f"batch_normalization#{index}", f"{path}.norm"),
    )
]

register(
    from_module(
        "inception_v3",
        InceptionV3,
        variants=("torchvision", "keras"),
        size=299,
        minimum=75,
        layer="mixed_7c",
        preprocess="tf",
        sources=(
            Source(
                library="torchvision",
                rules=TORCH_RULES,
                has=("Mixed_7c.branch_pool.conv.weight",),
                features=2048,
                head="fc",
                style="tf",  # the published weights normalise once more inside the model (transform_input)
                first=FIRST,
            ),
            Source(
                library="keras",
                rules=KERAS_RULES,
                has=("conv2d#93/kernel", "batch_normalization#93/beta"),
                lacks=("conv2d#94/kernel",),
                features=2048,
                style="tf",
                first=FIRST,
                numbered=True,
            ),
        ),
        summary="Inception v3: factorised convolutions in parallel branches",
    )
)
