"""The blocks of a transformer and what follows them, for any model whose blocks are layers.

LeGrad asks what the logits would be if the model ended after a block. So the tokens of every block are taken, classes
and registers included, put in place of the last block's, and the score's gradient is sent back through that block
alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax._network.base import Recorder
from xaijax.classifier import Classifier
from xaijax.explain._targets import Target, score


class _Blocks(Recorder):
    """Keeps the whole outputs of blocks and cuts the gradient behind each; the last one may be replaced."""

    def __init__(
        self, size: tuple[int, int], offsets: Mapping[str, Any], blocks: Sequence[str], last: Any = None
    ) -> None:
        super().__init__(size, {**offsets, **dict.fromkeys(blocks)})
        self.blocks, self.last, self.tokens = tuple(blocks), last, dict[str, Any]()

    def __call__(self, path: str, output: Any) -> Any:
        if path not in self.blocks:
            return super().__call__(path, output)
        self.tokens[path] = output
        if self.last is not None and path == self.blocks[-1]:
            return self.last
        return jax.lax.stop_gradient(output)


def block_of(classifier: Classifier, names: Sequence[str], method: str) -> dict[str, str]:
    """Attention layer -> the layer that is its whole block: the outermost one around no other attention."""
    known = classifier.layers()
    found = {}
    for name in names:
        parts = name.split(".")
        paths = [".".join(parts[:depth]) for depth in range(1, len(parts))]
        alone = (
            path for path in paths if not any(f"{other}.".startswith(f"{path}.") for other in names if other != name)
        )
        block = next((path for path in alone if path in known), None)
        if block is None:
            raise InputError(
                f"{method} needs the output of every block as a layer; this model shows none around {name!r}: use "
                "generic_attention"
            )
        found[name] = block
    return found


def gradients_of_own_blocks(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    names: Sequence[str],
    blocks: Sequence[str],
    target: Target,
) -> list[jax.Array]:
    """`ds_l/dA_l` `[B, heads, T, T]`, s_l the score from block l's own output; see the module.

    One forward pass, one backward pass that starts again behind every block, and one pass of what follows the last
    block for each block.

    Args:
        classifier: whose layers they are.
        images: `[B, H, W, C]`.
        labels: `[B]`, or None for the class that the whole model predicts.
        names: the attention layers that are wanted, each in one of the last blocks.
        blocks: the layers of the blocks, the model's last one included, as many as names or more; their ends agree.
        target: what s is.

    Returns:
        One array for each name.
    """
    size = classifier.input_shape[:2]
    wanted = blocks[len(blocks) - len(names) :]

    def to_tokens(offsets: dict[str, jax.Array]) -> tuple[list[jax.Array], jax.Array]:
        recorder = _Blocks(size, offsets, blocks)
        logits = classifier.recorded(classifier.params, images, recorder)
        return [recorder.tokens[block] for block in wanted], logits

    def to_score(tokens: jax.Array, own: jax.Array) -> jax.Array:
        # Only the shape of the images matters: all that is computed of them is replaced.
        whole = jnp.concatenate([images] * len(wanted))
        logits = classifier.recorded(classifier.params, whole, _Blocks(size, {}, blocks[-1:], last=tokens))
        return score(classifier.output, logits, own, target).sum()

    tokens, back, logits = jax.vjp(to_tokens, classifier.zero_offsets(images, names), has_aux=True)
    own = _outputs.predicted(classifier.output, logits) if labels is None else labels
    grads = jax.grad(to_score)(jnp.concatenate(tokens), jnp.concatenate([own] * len(wanted)))
    (found,) = back(jnp.split(grads, len(wanted)))
    return [found[name] for name in names]
