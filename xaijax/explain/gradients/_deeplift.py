"""DeepLIFT with the rescale rule; `_rescale` has the rule."""

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._baselines import Baseline, make_baselines
from xaijax.explain._method import BatchSize, resolve_labels
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import score
from xaijax.explain.gradients._rescale import with_rescale


@explainer(family="gradient", cost=6, signed=True, needs={"rescale"})
def deeplift(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    baseline: Baseline = "black",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """DeepLIFT, rescale rule: how the difference from a baseline makes up the difference of the logit.

    `S = reduce_c (x - x0)_c m_c`, m the multiplier of the logit: the derivative of what is linear; `Δout/Δin` of a
    non-linearity applied value by value, the derivative where `|Δin| < 1e-10`; of a maximum pool `Δout` over `Δin`,
    given to the image's winner where the window grew or the baseline ties there, else to the baseline's; multiplied
    along the network as the chain rule does.

    Args:
        classifier: any classifier whose activations are added, weighted, pooled and bent value by value.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        baseline: one baseline, as in `integrated_gradients`.
        reduce: over channels: `"sum"` (signed), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most images, with their baselines, in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, unit of the logit; `Σ S = y(x) - y(x0)`.

    Raises:
        InputError: for a model that multiplies or divides activations by each other (attention, gates, softmax, layer
            norm), which has no rescale rule.

    Differences:
        Captum's hooks reach modules that are used once; here every non-linearity of the traced program gets the rule,
        and what has none is refused. The logit alone is explained: a softmax behind it has no rescale rule. Captum 0.9
        gives a maximum pool behind a ReLU the plain derivative, so its maps do not add up there (its own convergence
        delta shows it); with a baseline of one value both are the same.

    References:
        Shrikumar, Greenside, Kundaje, "Learning Important Features Through Propagating Activation Differences", ICML
        2017, section 3.5.2.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> def logits(w, x):  # the second unit opens at 0.5
        ...     return jax.nn.relu(x.reshape(-1, 2) - jnp.array([0.0, 0.5])) @ w
        >>> model = Classifier.from_function(logits, jnp.array([[2.0, 0.0], [4.0, 1.0]]), input_shape=(1, 2, 1))
        >>> deeplift(model, jnp.ones((1, 1, 2, 1)), 0).tolist()  # the gradient of the second is 4, its share 2
        [[[2.0, 2.0]]]
    """
    labels = resolve_labels(classifier, images, labels, batch_size)
    starts = make_baselines(images, baseline)
    if starts.shape[1] != 1:
        raise InputError(f"deeplift takes one baseline; got {starts.shape[1]}: average the maps yourself")

    def maps(group: tuple) -> jax.Array:
        x, x0, y = group

        def total(image: jax.Array) -> jax.Array:
            both = jnp.concatenate([image, x0])
            logits = with_rescale(lambda v: classifier.logits(classifier.params, v), both, "deeplift")
            return score(classifier.output, logits[: x.shape[0]], y, "logit").sum()

        return (x - x0) * jax.grad(total)(x)

    full = _chunk.map_images(maps, (images, starts[:, 0], labels), max(1, batch_size // 2))
    return reduce_channels(full, reduce)
