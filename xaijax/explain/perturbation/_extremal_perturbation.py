"""Extremal perturbation: the smooth mask of a given area that keeps the score highest, found by gradient ascent.

Each step needs the one before, so the batch is made of images (and areas), and the steps are a `lax.scan`.
"""

import math
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._network.base import zeros
from xaijax._options import Count, NonNegative, Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain import _filters as filters
from xaijax.explain._method import BatchSize, resolve_labels, scores
from xaijax.explain._registry import explainer
from xaijax.explain._targets import LogitDifference, Target
from xaijax.explain.perturbation import _smooth_masks as masks_of

Area = Annotated[float, Range(0, 1, without_low=True, without_high=True)]
Variant = Literal["preserve", "delete", "dual"]
Reward = Literal["score", "contrastive"]
RATE, MOMENTUM, PENALTY, GROWTH = 0.01, 0.9, 300.0, 1.0035
SMOOTH = 0.09  # of several areas, as a share of the shorter side
_TIES = 2.0**16  # values of a mask closer than this are equal: rounding must not decide which of them are kept


def wanted_mask(masks: jax.Array, outside: jax.Array) -> jax.Array:
    """The mask of 0 and 1 that each mask `[N, H', W']` is pulled to: 0 for its `outside` `[N]` lowest pixels, else 1.

    With it `mean((sort m - r)²)` is `mean((m - wanted)²)`, without a derivative of the sort; ties in reading order.
    """
    flat = jax.lax.stop_gradient(masks).reshape(masks.shape[0], -1)
    order = jnp.argsort(jnp.round(flat * _TIES), axis=1, stable=True)
    ones = (jnp.arange(flat.shape[1])[None, :] >= outside[:, None]).astype(masks.dtype)
    return jax.vmap(lambda place, value: jnp.zeros_like(value).at[place].set(value))(order, ones).reshape(masks.shape)


@explainer(family="perturbation", cost=2400, needs={"gradient"})
def extremal_perturbation(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    areas: Area | tuple[Area, ...] = 0.1,
    steps: Count = 800,
    variant: Variant = "preserve",
    reward: Reward = "score",
    flip: bool = True,
    spacing: Annotated[int, Range(1, 256)] | None = None,
    detail: Annotated[int, Range(1, 1024)] | None = None,
    max_sigma: Annotated[float, Range(0, 10_000)] | None = None,
    smooth: NonNegative | None = None,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Extremal perturbation: the smooth mask of a fixed area that, kept while the rest is blurred, scores highest.

    `S = Σ_a m_a`, `m_a` the mask that maximises `y(x blurred by m_a) - λ_t mean((sort m_a - r_a)²)`, `r_a` 0 for the
    first share 1 - a of the pixels, then 1, `λ_t = 300 · 1.0035^t`. A mask is a soft maximum of discs (radius σ/2, with
    soft borders) on a grid of parameters, all 1 at first. A pixel with mask m has the blur `max_sigma (1 - m)`, by
    linear interpolation between 8 levels. Gradient ascent: rate 0.01, momentum 0.9 with dampening 0.9, parameters held
    in [0, 1].

    Args:
        classifier: one with gradients (no black box).
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        areas: a, the share of the mask that is kept, one or several: with several the masks are added, which ranks
            the pixels.
        steps: of the ascent, one forward and backward pass each (two for `"dual"`) and area.
        variant: `"preserve"` the score by what the mask keeps, `"delete"` it by blurring what the mask marks, or
            `"dual"`: the difference of the two.
        reward: `"score"`, or `"contrastive"`: the logit less the best other logit.
        flip: mirror the blurred image left to right in every other step, from the first one on; false where left and
            right differ in meaning.
        spacing: pixels between parameters; default: 1/32 of the shorter side, 7 for 224 pixels.
        detail: σ in pixels: no detail of the mask is finer; at most 9 spacings; default: 3 spacings, 21 for 224 pixels.
        max_sigma: standard deviation of the strongest blur in pixels; default: 20 for 224 pixels, in proportion else.
        smooth: standard deviation of a final Gaussian blur, as a share of the shorter side; default: 0.09 with several
            areas, 0 with one.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most images in one forward and backward pass; at least the two of `"dual"`.

    Returns:
        `[B, H, W]` float32 in [0, number of areas]. The area of a mask is given, so a map says where the evidence is
        and not how much there is: a model that sees nothing has a map too.

    Differences:
        TorchRay has the numbers of 224 pixels at every size. It blurs normalised images, with ImageNet's mean colour
        around them; here black is around them. It returns the mask before the last step. Which of equal values are kept
        is up to the sort there; here it is the last pixels. The first step is not dampened, as in PyTorch.

    References:
        Fong, Patrick, Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", ICCV 2019.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> lit = lambda w, x: jnp.stack([x[:, 4:8, 16:20].sum((1, 2, 3)), 0 * x[:, 0, 0, 0]], 1) + w
        >>> model = Classifier.from_function(lit, jnp.zeros(2), input_shape=(24, 24, 1))
        >>> image = jnp.zeros((1, 24, 24, 1)).at[:, 4:8, 16:20].set(1.0)  # class 0 looks at the white square
        >>> maps = extremal_perturbation(model, image, 0, areas=0.05, steps=80, spacing=2, flip=False)
        >>> bool(maps[0, 4:8, 16:20].mean() > 4 * maps.mean())
        True
    """
    count, height, width = images.shape[:3]
    shorter = min(height, width)
    spacing = max(1, round(shorter / 32)) if spacing is None else spacing
    detail = 3 * spacing if detail is None else detail
    strongest = 20 * shorter / 224 if max_sigma is None else max_sigma
    if math.ceil(detail / spacing) > 9:
        raise InputError(f"detail must be at most 9 spacings of {spacing} pixels; got {detail}")
    if reward == "contrastive" and target != "logit":
        raise InputError("reward contrastive compares logits, so target must be logit; leave one of the two out")
    wanted: Target = LogitDifference() if reward == "contrastive" else target
    labels = resolve_labels(classifier, images, labels, batch_size)
    several = areas if isinstance(areas, tuple) else (areas,)
    if not several:
        raise InputError("areas must hold at least one share; got none")
    rows, columns = masks_of.grid_shape((height, width), spacing)
    edge = masks_of.margin(spacing, detail)
    around = jax.eval_shape(lambda p: masks_of.smooth_masks(p, spacing, detail), jnp.zeros((1, rows, columns))).shape
    size = around[1] * around[2]
    lowest = np.array([int(size * (1 - area)) for area in several], np.int32)

    def inside(masks: jax.Array) -> jax.Array:
        return masks[:, edge : edge + height, edge : edge + width]

    def find(group: tuple) -> jax.Array:
        x, y, outside = group
        pyramid = masks_of.blur_pyramid(x, strongest)

        def energy(parameters: jax.Array, t: jax.Array) -> jax.Array:
            whole = masks_of.smooth_masks(parameters, spacing, detail)
            kept = inside(whole)
            shown = [] if variant == "delete" else [masks_of.blurred(pyramid, kept)]
            shown += [] if variant == "preserve" else [masks_of.blurred(pyramid, 1 - kept)]
            seen = jnp.concatenate(shown)
            if flip:
                seen = jnp.where(t % 2 == 0, seen[:, :, ::-1], seen)
            found = scores(classifier, seen, jnp.tile(y, len(shown)), wanted).reshape(len(shown), -1)
            gained = -found[0] if variant == "delete" else found[0] - (found[1] if variant == "dual" else 0.0)
            missed = ((whole - wanted_mask(whole, outside)) ** 2).mean((1, 2))
            return (gained - PENALTY * GROWTH ** t.astype(jnp.float32) * missed).sum()

        def ascend(state: tuple[jax.Array, jax.Array], t: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
            parameters, velocity = state
            slope = jax.grad(energy)(parameters, t)
            velocity = jnp.where(t == 0, slope, MOMENTUM * velocity + (1 - MOMENTUM) * slope)
            return (jnp.clip(parameters + RATE * velocity, 0.0, 1.0), velocity), None

        none = zeros((x.shape[0], rows, columns), x)
        (parameters, _), _ = jax.lax.scan(ascend, (none + 1.0, none), jnp.arange(steps, dtype=jnp.int32))
        return inside(masks_of.smooth_masks(parameters, spacing, detail))

    many = len(several)
    pairs = _chunk.repeat(images, many), _chunk.repeat(labels, many), jnp.tile(jnp.asarray(lowest), count)
    found = _chunk.map_images(find, pairs, max(1, batch_size // (2 if variant == "dual" else 1)))
    summed = found.reshape(count, many, height, width).sum(1)
    share = (SMOOTH if many > 1 else 0.0) if smooth is None else smooth
    if share == 0:
        return summed
    return filters.gaussian_blur(summed[..., None], share * shorter)[..., 0]
