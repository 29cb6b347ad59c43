"""Scores of a model whose activations at one layer are changed in many ways; what lies before the layer runs once."""

from collections.abc import Callable

import jax

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._targets import Target, score
from xaijax.explain.cams import _split

Scores = Callable[[Callable[[jax.Array], jax.Array], int, int], jax.Array]


def split_at(
    classifier: Classifier, images: jax.Array, labels: jax.Array, name: str, target: Target
) -> tuple[jax.Array, jax.Array, Scores]:
    """Runs the model up to a layer.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`.
        labels: `[B]` int class indices.
        name: of the layer.
        target: what is explained.

    Returns:
        `[B]` score of the images; `[B, h, w, c]` activations A of the layer; and `scores(offsets, count, batch_size)`,
        the `[B, count]` scores with `A + offsets(index)[p]` in place of A, `index` `[p]` numbers below count, offsets
        `[p, B, h, w, c]`, batch_size the most sets of activations in flight.
    """
    zero = classifier.zero_offsets(images, (name,))[name]

    def forward(early: tuple, offset: jax.Array) -> tuple:
        params, pixels = early
        logits, taps = classifier.tapped(params, pixels, {name: offset})
        return logits, taps[name]

    residuals, head = _split.split(forward, (classifier.params, images), zero)

    def scored(logits: jax.Array) -> jax.Array:
        return score(classifier.output, logits, labels, target)

    def scores(offsets: Callable[[jax.Array], jax.Array], count: int, batch_size: int) -> jax.Array:
        def part(rows: tuple, index: jax.Array) -> jax.Array:
            # One "image" for the chunking, whose variants are those of the whole group.
            return jax.vmap(lambda offset: scored(head(residuals, offset)[0]))(offsets(index))[None]

        return _chunk.map_variants(part, (images[:1],), count, max(1, batch_size // images.shape[0]))[0].T

    logits, activations = head(residuals, zero)
    return scored(logits), activations, scores
