"""Controls: maps that know nothing about the model. A method that does not beat them explains nothing.

They take the classifier and the labels like every method, and ignore them.
"""

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._options import Positive
from xaijax.classifier import Classifier
from xaijax.explain import _filters as filters
from xaijax.explain._method import Key, image_keys
from xaijax.explain._registry import explainer


@explainer(family="control", cost=0, needs={"key"})
def random(classifier: Classifier, images: jax.Array, labels: jax.Array | None = None, *, key: Key = 0) -> jax.Array:
    """Uniform random map: independent of everything but `key` and the image's own pixels.

    `S ~ U[0, 1)` per pixel. An image gets the same map alone and in any batch; two images get independent ones.

    Args:
        classifier: not used.
        images: `[B, H, W, C]`.
        labels: not used.
        key: a `jax.random` key, or the seed of one.

    Returns:
        `[B, H, W]` float32 in [0, 1).

    Differences:
        An image's map depends on the key and its own pixels, so it is the same in any batch; elsewhere it depends on
        the order of the calls.

    References:
        Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks", NeurIPS 2019 (the random
        ranking).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(2), input_shape=(4, 4, 2))
        >>> maps = random(model, jnp.zeros((1, 4, 4, 2)), key=jax.random.key(0))
        >>> bool((maps >= 0).all() and (maps < 1).all())
        True
    """
    keys = image_keys(key, images)
    return jax.vmap(lambda k: jax.random.uniform(k, images.shape[1:3], jnp.float32))(keys)


@explainer(family="control", cost=0)
def sobel(classifier: Classifier, images: jax.Array, labels: jax.Array | None = None) -> jax.Array:
    """Edge map: a saliency map that looks like this may be an edge detector.

    `S = sqrt(Gx² + Gy²)`, 3 x 3 Sobel of the channel mean, borders mirrored with the edge repeated.

    Args:
        classifier: not used.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: not used.

    Returns:
        `[B, H, W]` float32, at least 0: 8 times the slope in intensity per pixel.

    Differences:
        None to `scipy.ndimage.sobel` of the channel mean.

    References:
        Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018 (the edge detector as control).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(2), input_shape=(3, 4, 2))
        >>> step = jnp.zeros((1, 3, 4, 2)).at[:, :, 2:].set(1.0)
        >>> sobel(model, step)[0, 0].tolist()
        [0.0, 4.0, 4.0, 0.0]
    """
    return filters.sobel_magnitude(images)


@explainer(family="control", cost=0)
def center_gaussian(
    classifier: Classifier, images: jax.Array, labels: jax.Array | None = None, *, sigma: Positive = 0.25
) -> jax.Array:
    """A Gaussian at the centre of the image: what a photographer's or radiographer's framing alone gives.

    `S = exp(-((i - i0)/H)²/(2σ²) - ((j - j0)/W)²/(2σ²))`, `(i0, j0)` the centre.

    Args:
        classifier: not used.
        images: `[B, H, W, C]`; only their shape is used.
        labels: not used.
        sigma: standard deviation as a share of each side.

    Returns:
        `[B, H, W]` float32 in (0, 1].

    Differences:
        There is no known implementation; centre priors are usually fitted to the data.

    References:
        Judd et al., "Learning to Predict Where Humans Look", ICCV 2009 (the centre as a baseline).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(2), input_shape=(3, 3, 2))
        >>> divmod(int(center_gaussian(model, jnp.zeros((1, 3, 3, 2))).argmax()), 3)
        (1, 1)
    """
    height, width = images.shape[1:3]
    rows, columns = (
        jnp.exp(-0.5 * ((jnp.arange(n, dtype=jnp.float32) - (n - 1) / 2) / (n * sigma)) ** 2) for n in (height, width)
    )
    # From the images' zeros, so that the maps are sharded as the images are.
    return jnp.zeros_like(images[..., 0]) + (rows[:, None] * columns[None, :])[None]


@explainer(family="control", cost=0, needs={"masks"})
def ground_truth(
    classifier: Classifier, images: jax.Array, labels: jax.Array | None = None, *, masks: jax.Array | None = None
) -> jax.Array:
    """The annotated region as a map: an oracle that a faithful metric should rank first if the model looks there.

    `S = 1` inside the mask, 0 outside. Only masks of the object or lesion make an oracle; the bench refuses others.

    Args:
        classifier: not used.
        images: `[B, H, W, C]`; only their shape is used.
        labels: not used.
        masks: `[B, H, W]` bool (or numbers, true where not 0).

    Returns:
        `[B, H, W]` float32, 0 or 1.

    Raises:
        InputError: without masks, or for masks of another shape.

    Differences:
        There is no known implementation.

    References:
        Arras, Osman, Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation of neural network
        explanations", Information Fusion 2022.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(2), input_shape=(1, 2, 2))
        >>> ground_truth(model, jnp.zeros((1, 1, 2, 2)), masks=jnp.array([[[0, 255]]])).tolist()
        [[[0.0, 1.0]]]
    """
    if masks is None or tuple(masks.shape) != tuple(images.shape[:3]):
        got = None if masks is None else tuple(masks.shape)
        raise InputError(f"ground_truth needs masks= of shape {tuple(images.shape[:3])}, one per image; got {got}")
    return jnp.asarray(masks).astype(bool).astype(jnp.float32)
