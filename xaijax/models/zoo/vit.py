"""Vision transformer ViT-B/16, and a narrow one for small images.

The attention probabilities of block i are a layer of their own, `blocks.block{i}.attention.weights`
(`[B, heads, T, T]`, each row with sum 1; T = 1 class token and the patches row by row), for attention rollout.
torchvision's and timm's models of ViT-B/16 are the same.

References:
    Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, torch_conv, torch_dense, torch_layer_norm
from xaijax.models.zoo.layers import Chain, Head, conv


@dataclass(frozen=True)
class Size:
    """How large a transformer is: side of a patch in pixels, channels of tokens, blocks, heads, hidden channels."""

    patch: int
    width: int
    depth: int
    heads: int
    hidden: int


SIZES = {"vit_b16": Size(16, 768, 12, 12, 3072), "small_vit": Size(8, 64, 2, 4, 128)}
WIDTH, DEPTH = SIZES["vit_b16"].width, SIZES["vit_b16"].depth

layer_norm = partial(nnx.LayerNorm, epsilon=1e-6, use_fast_variance=False)


class AttentionWeights(nnx.Module):
    """Queries and keys `[B, heads, T, c]` -> probabilities `[B, heads, T, T]`."""

    def __call__(self, queries: Any, keys: Any) -> Any:
        scores = jnp.einsum("bhtc,bhsc->bhts", queries, keys) * queries.shape[-1] ** -0.5
        return jax.nn.softmax(scores, axis=-1)


class SelfAttention(nnx.Module):
    """Multi-head attention of tokens `[B, T, C]` to each other; queries, keys and values from one dense layer."""

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.qkv = nnx.Linear(width, 3 * width, rngs=rngs)
        self.weights = AttentionWeights()
        self.project = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        batch, tokens, width = x.shape
        split = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        queries, keys, values = split.transpose(2, 0, 3, 1, 4)
        mixed = jnp.einsum("bhts,bhsc->bthc", self.weights(queries, keys), values)
        return self.project(mixed.reshape(batch, tokens, width))


class MLPBlock(nnx.Module):
    """Two dense layers with GELU between them."""

    def __init__(self, width: int, hidden: int, *, rngs: nnx.Rngs) -> None:
        self.dense1 = nnx.Linear(width, hidden, rngs=rngs)
        self.dense2 = nnx.Linear(hidden, width, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.dense2(jax.nn.gelu(self.dense1(x), approximate=False))


class EncoderBlock(nnx.Module):
    """Normalise and attend, normalise and transform, each with a shortcut."""

    def __init__(self, width: int, heads: int, hidden: int, *, rngs: nnx.Rngs) -> None:
        self.norm1 = layer_norm(width, rngs=rngs)
        self.attention = SelfAttention(width, heads, rngs=rngs)
        self.norm2 = layer_norm(width, rngs=rngs)
        self.mlp = MLPBlock(width, hidden, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nnx.Module):
    """Patches as tokens behind a class token, which the head reads."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        normal = nnx.initializers.normal(0.02)
        head = dict(head)
        patches = head.pop("patches")
        size = SIZES[name]
        self.patches = conv(channels, size.width, size.patch, size.patch, padding="VALID", bias=True, rngs=rngs)
        self.class_token = nnx.Param(normal(rngs.params(), (1, 1, size.width)))
        self.positions = nnx.Param(normal(rngs.params(), (1, patches + 1, size.width)))
        blocks = (EncoderBlock(size.width, size.heads, size.hidden, rngs=rngs) for _ in range(size.depth))
        self.blocks = Chain(**{f"block{index}": block for index, block in enumerate(blocks, 1)})
        self.norm = layer_norm(size.width, rngs=rngs)
        self.head = Head(size.width, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads: the class token, as a picture of one pixel."""
        x = self.patches(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        first = jnp.broadcast_to(self.class_token[...].astype(x.dtype), (x.shape[0], 1, x.shape[-1]))
        x = jnp.concatenate([first, x], axis=1) + self.positions[...].astype(x.dtype)
        return self.norm(self.blocks(x))[:, :1, None]

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


_LAYER, _BLOCK = r"encoder\.layers\.encoder_layer_(\d+)", r"blocks\.(\d+)"
_TO = "blocks.block{0+1}"
TORCH_RULES: list[Rule] = [
    ("class_token", "class_token", "same"),
    (r"encoder\.pos_embedding", "positions", "same"),
    *torch_conv("conv_proj", "patches"),
    *torch_layer_norm(_LAYER + r"\.ln_(\d)", _TO + ".norm{1}"),
    (_LAYER + r"\.self_attention\.in_proj_weight", _TO + ".attention.qkv.kernel", "dense"),
    (_LAYER + r"\.self_attention\.in_proj_bias", _TO + ".attention.qkv.bias", "same"),
    *torch_dense(_LAYER + r"\.self_attention\.out_proj", _TO + ".attention.project"),
    *torch_dense(_LAYER + r"\.mlp\.(?:0|linear_1)", _TO + ".mlp.dense1"),
    *torch_dense(_LAYER + r"\.mlp\.(?:3|linear_2)", _TO + ".mlp.dense2"),
    *torch_layer_norm(r"encoder\.ln", "norm"),
]
TIMM_RULES: list[Rule] = [
    ("cls_token", "class_token", "same"),
    ("pos_embed", "positions", "same"),
    *torch_conv(r"patch_embed\.proj", "patches"),
    *torch_layer_norm(_BLOCK + r"\.norm(\d)", _TO + ".norm{1}"),
    *torch_dense(_BLOCK + r"\.attn\.qkv", _TO + ".attention.qkv"),
    *torch_dense(_BLOCK + r"\.attn\.proj", _TO + ".attention.project"),
    *torch_dense(_BLOCK + r"\.mlp\.fc(\d)", _TO + ".mlp.dense{1}"),
    *torch_layer_norm("norm", "norm"),
]


def _shape_options(patch: int) -> Callable[[int, int], Mapping[str, Any]]:
    return lambda height, width: {"patches": (height // patch) * (width // patch)}


def _register(name: str, *, image: int, sources: Sequence[Source], summary: str) -> None:
    size = SIZES[name]
    register(
        from_module(
            name,
            VisionTransformer,
            variants=("torchvision",),
            size=image,
            layer=f"blocks.block{size.depth}.norm1",
            positions=lambda variant, height, width: 1,
            shape_options=_shape_options(size.patch),
            divisor=size.patch,
            sources=sources,
            summary=summary,
        )
    )


_register(
    "vit_b16",
    image=224,
    sources=(
        Source(
            library="torchvision",
            rules=TORCH_RULES,
            has=(f"encoder.layers.encoder_layer_{DEPTH - 1}.ln_1.weight",),
            lacks=(f"encoder.layers.encoder_layer_{DEPTH}.ln_1.weight",),
            features=WIDTH,
            head=r"heads(?:\.head)?",
            first="patches.kernel",
        ),
        Source(
            library="timm",
            rules=TIMM_RULES,
            has=(f"blocks.{DEPTH - 1}.attn.qkv.weight",),
            lacks=(f"blocks.{DEPTH}.attn.qkv.weight",),
            features=WIDTH,
            head="head",
            style="tf",
            first="patches.kernel",
            variant="torchvision",
        ),
    ),
    summary="vision transformer, base size, patches of 16 pixels",
)
_register(
    "small_vit",
    image=128,
    sources=(),
    summary="vision transformer with 2 blocks of 64 channels, patches of 8 pixels; 0.3 MB",
)
