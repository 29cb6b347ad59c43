"""Inception-ResNet v2.

`variant="keras"` has batch norm without scale, `variant="timm"` with it; they are the same otherwise. Branches are
written as in `inception`, and the order of all units is the order in which Keras numbers its layers.

References:
    Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", AAAI 2017.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, keras_conv, keras_norm, torch_conv, torch_norm
from xaijax.models.zoo.inception import EPSILON, FIRST, STEM, Size
from xaijax.models.zoo.layers import Chain, ConvNorm, Head, average_pool, conv, max_pool

Branch = Sequence[tuple[int, Size]]
MIXED_5B: tuple[Branch, ...] = ([(96, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)], [(64, 1)])
MIXED_6A: tuple[Branch, ...] = ([(384, 3)], [(256, 1), (256, 3), (384, 3)])
MIXED_7A: tuple[Branch, ...] = ([(256, 1), (384, 3)], [(256, 1), (288, 3)], [(256, 1), (288, 3), (320, 3)])
BLOCK35: tuple[Branch, ...] = ([(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)])
BLOCK17: tuple[Branch, ...] = ([(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))])
BLOCK8: tuple[Branch, ...] = ([(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))])
# name, branches, number of blocks, weight of the residual
STAGES = (("block35", BLOCK35, 10, 0.17), ("block17", BLOCK17, 20, 0.1), ("block8", BLOCK8, 10, 0.2))


def _chain(inputs: int, units: Branch, *, reduce: bool, options: dict[str, Any], rngs: nnx.Rngs) -> Chain:
    made = {}
    for index, (channels, size) in enumerate(units):
        ends = reduce and index == len(units) - 1
        made[f"unit{index + 1}"] = ConvNorm(
            inputs, channels, size, 2 if ends else 1, padding="VALID" if ends else None, **options, rngs=rngs
        )
        inputs = channels
    return Chain(**made)


class Branches(nnx.Module):
    """Branches side by side, and what `pool` says behind them: `"average"` pools before the last branch."""

    def __init__(
        self, inputs: int, branches: Sequence[Branch], pool: str, *, options: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        self.names = tuple(f"branch{index}" for index in range(len(branches)))
        self.pool = pool
        for name, units in zip(self.names, branches, strict=True):
            setattr(self, name, _chain(inputs, units, reduce=pool == "max", options=options, rngs=rngs))

    def __call__(self, x: Any) -> Any:
        parts = []
        for name in self.names:
            last = self.pool == "average" and name == self.names[-1]
            parts.append(getattr(self, name)(average_pool(x, 3, 1, 1) if last else x))
        if self.pool == "max":
            parts.append(max_pool(x, 3, 2))
        return jnp.concatenate(parts, axis=-1)


class ResidualBlock(nnx.Module):
    """Branches, a 1x1 convolution with bias, and a scaled sum with the input."""

    def __init__(
        self,
        inputs: int,
        branches: Sequence[Branch],
        factor: float,
        *,
        activate: bool,
        options: dict[str, Any],
        rngs: nnx.Rngs,
    ) -> None:
        self.branches = Branches(inputs, branches, "", options=options, rngs=rngs)
        self.project = conv(sum(units[-1][0] for units in branches), inputs, 1, bias=True, rngs=rngs)
        self.factor, self.activate = factor, activate

    def __call__(self, x: Any) -> Any:
        x = x + self.factor * self.project(self.branches(x))
        return jax.nn.relu(x) if self.activate else x


class InceptionResNetV2(nnx.Module):
    """The stem of Inception, three stages of residual blocks with reductions between them, a 1x1 convolution."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        options: dict[str, Any] = {"epsilon": EPSILON, "scale": variant != "keras"}
        stem = {}
        for unit, width, size, stride, padding in STEM:
            stem[unit] = ConvNorm(channels, width, size, stride, padding=padding, **options, rngs=rngs)
            channels = width
        self.stem = Chain(**{unit: stem[unit] for unit in ("conv1a", "conv2a", "conv2b")})
        self.stem2 = Chain(**{unit: stem[unit] for unit in ("conv3b", "conv4a")})
        mixed: dict[str, Any] = {"options": options, "rngs": rngs}
        self.mixed_5b = Branches(channels, MIXED_5B, "average", **mixed)
        self.mixed_6a = Branches(320, MIXED_6A, "max", **mixed)
        self.mixed_7a = Branches(1088, MIXED_7A, "max", **mixed)
        stages: dict[str, Chain] = {}
        for (stage, branches, count, factor), width in zip(STAGES, (320, 1088, 2080), strict=True):
            blocks = {}
            for index in range(1, count + 1):
                last = stage == "block8" and index == count
                blocks[f"block{index}"] = ResidualBlock(
                    width, branches, 1.0 if last else factor, activate=not last, **mixed
                )
            stages[stage] = Chain(**blocks)
        self.block35, self.block17, self.block8 = stages["block35"], stages["block17"], stages["block8"]
        self.top = ConvNorm(2080, 1536, 1, **options, rngs=rngs)
        self.head = Head(1536, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        x = max_pool(self.stem2(max_pool(self.stem(x), 3, 2)), 3, 2)
        x = self.block35(self.mixed_5b(x))
        x = self.block17(self.mixed_6a(x))
        x = self.block8(self.mixed_7a(x))
        return self.top(x)

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


def units() -> list[str]:
    """Paths of the numbered units, in the order in which Keras numbers them."""

    def inside(path: str, branches: Sequence[Branch]) -> list[str]:
        return [
            f"{path}.branch{number}.unit{index}"
            for number, parts in enumerate(branches)
            for index in range(1, len(parts) + 1)
        ]

    paths = [f"stem{'2' if unit in ('conv3b', 'conv4a') else ''}.{unit}" for unit, *_ in STEM]
    mixed = zip(("mixed_5b", "mixed_6a", "mixed_7a"), (MIXED_5B, MIXED_6A, MIXED_7A), STAGES, strict=True)
    for name, branches, (stage, residual, count, _) in mixed:
        paths += inside(name, branches)
        for index in range(1, count + 1):
            paths += inside(f"{stage}.block{index}.branches", residual)
    return paths


KERAS_RULES: list[Rule] = [
    *(
        rule
        for index, path in enumerate(units())
        for rule in (
            *keras_conv(f"conv2d#{index}", f"{path}.conv"),
            *keras_norm(f"batch_normalization#{index}", f"{path}.norm"),
        )
    ),
    *keras_conv(r"block(35|17|8)_(\d+)_conv", "block{0}.block{1}.project"),
    *keras_conv("conv_7b", "top.conv"),
    *keras_norm("conv_7b_bn", "top.norm"),
]


def _timm_unit(source: str, target: str) -> list[Rule]:
    return [*torch_conv(rf"{source}\.conv", f"{target}.conv"), *torch_norm(rf"{source}\.bn", f"{target}.norm")]


def _timm_branches(source: str, target: str) -> list[Rule]:
    first = source.count("(")
    return [
        *_timm_unit(rf"{source}\.branch(\d)\.(\d)", f"{target}.branch{{{first}}}.unit{{{first + 1}+1}}"),
        *_timm_unit(rf"{source}\.branch(\d)", f"{target}.branch{{{first}}}.unit1"),
    ]


TIMM_RULES: list[Rule] = [
    *_timm_unit(r"conv2d_(1a|2a|2b)", "stem.conv{0}"),
    *_timm_unit(r"conv2d_(3b|4a)", "stem2.conv{0}"),
    *_timm_unit(r"mixed_5b\.branch3\.1", "mixed_5b.branch3.unit1"),
    *_timm_branches(r"mixed_(5b|6a|7a)", "mixed_{0}"),
    *(
        rule
        for source, stage in (("repeat", "block35"), ("repeat_1", "block17"), ("repeat_2", "block8"))
        for rule in (
            *_timm_branches(rf"{source}\.(\d+)", f"{stage}.block{{0+1}}.branches"),
            *torch_conv(rf"{source}\.(\d+)\.conv2d", f"{stage}.block{{0+1}}.project"),
        )
    ),
    *_timm_branches("block8", "block8.block10.branches"),
    *torch_conv(r"block8\.conv2d", "block8.block10.project"),
    *_timm_unit("conv2d_7b", "top"),
]

register(
    from_module(
        "inception_resnet_v2",
        InceptionResNetV2,
        variants=("keras", "timm"),
        size=299,
        minimum=75,
        layer="top",
        preprocess="tf",
        sources=(
            Source(
                library="timm",
                rules=TIMM_RULES,
                has=("repeat_1.19.conv2d.weight", "conv2d_7b.conv.weight"),
                features=1536,
                head="classif",
                style="tf",
                first=FIRST,
            ),
            Source(
                library="keras",
                rules=KERAS_RULES,
                has=("conv_7b/kernel", "block17_20_conv/kernel"),
                features=1536,
                style="tf",
                first=FIRST,
                numbered=True,
            ),
        ),
        summary="Inception-ResNet v2: Inception branches with shortcuts",
    )
)
