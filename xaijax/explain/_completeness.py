"""How complete is a map: path methods share out the change of the score from a baseline, and the gap is what they miss.

`gap = Σ attributions - (y(x) - y(x0))`. Integrated Gradients and Guided IG miss it by their quadrature, so that the gap
says whether the steps are enough; DeepLIFT (rescale) misses it by rounding alone.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from xaijax import _names, _options, _outputs
from xaijax._errors import InputError
from xaijax.classifier import Classifier, to_float
from xaijax.explain._baselines import make_baselines
from xaijax.explain._method import check_batch
from xaijax.explain._postprocess import reduce_channels
from xaijax.explain._registry import METHODS, logits_of
from xaijax.explain._targets import score

COMPLETE = ("integrated_gradients", "guided_ig", "deeplift")
FEWEST = 8  # steps that a tolerance begins with; they are doubled


def complete_methods() -> tuple[str, ...]:
    """The methods that `completeness` takes.

    Example:
        >>> complete_methods()
        ('integrated_gradients', 'guided_ig', 'deeplift')
    """
    return COMPLETE


class Complete(NamedTuple):
    """Maps with how far they miss completeness.

    Attributes:
        maps: `[B, H, W]` float32, raw, as the method makes them.
        gaps: `[B]` float32, `Σ attributions - (y(x) - y(x0))`, in the unit of the score.
        changes: `[B]` float32, `y(x) - y(x0)`; of several baselines the mean.
        steps: `[B]` int, points on the path; 0 where the method has none.

    Example:
        >>> Complete(np.zeros((1, 2, 2)), np.array([0.1]), np.array([2.0]), np.array([50])).steps.tolist()
        [50]
    """

    maps: np.ndarray
    gaps: np.ndarray
    changes: np.ndarray
    steps: np.ndarray


def completeness(
    name: str,
    classifier: Classifier,
    images: Any,
    labels: Any = None,
    *,
    tolerance: float | None = None,
    max_steps: int = 1024,
    **options: Any,
) -> Complete:
    """Maps of a path method, with how far they miss the change of the score, and as many steps as an image needs.

    Args:
        name: `"integrated_gradients"`, `"guided_ig"` or `"deeplift"`.
        classifier: any classifier that the method explains.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        tolerance: of methods with steps: 8 steps are doubled until the gap is at most this share of the change of the
            score, for two numbers of steps in a row (one gap may be small by chance). The default is the method's own
            number of steps.
        max_steps: most steps with `tolerance`; where it is not reached, the gaps say so.
        **options: the method's own.

    Returns:
        `Complete(maps, gaps, changes, steps)`.

    Raises:
        InputError: for another method, and values that are not allowed.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> fourth = lambda w, x: (x**4).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(fourth, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> found = completeness("integrated_gradients", model, image, 0, rule="middle", tolerance=1e-3)
        >>> found.steps.tolist(), bool(abs(found.gaps[0]) < 1e-3 * found.changes[0])
        ([64], True)
    """
    name = _names.match("method", name, METHODS)
    if name not in COMPLETE:
        raise InputError(f"{name} has no completeness gap; choose from {', '.join(COMPLETE)}")
    method = METHODS[name]
    given = _options.check_all(name, options, method.kinds)
    if tolerance is not None:
        tolerance = _options.check(_options.Positive, tolerance, "tolerance")
        max_steps = _options.check(_options.Count, max_steps, "max_steps")
        if "steps" not in method.options:
            raise InputError(f"tolerance chooses steps, and {name} has none")
        if given.get("steps") is not None:
            raise InputError("tolerance chooses the steps; leave one of the two out")
        if max_steps < 2 * FEWEST:
            raise InputError(f"max_steps is {max_steps}; it must be at least {2 * FEWEST}")
    options = {**method.options, **given}
    images, labels = check_batch(classifier, images, labels)
    if labels is None:
        labels = np.asarray(_outputs.predicted(classifier.output, logits_of(classifier, images)))
    labels = np.asarray(labels)
    found = []
    for row in range(len(images)):
        image, label = images[row : row + 1], labels[row : row + 1]
        change = _change(classifier, image, label, options)
        found.append(_one(name, (classifier, image, label), options, change, tolerance, max_steps))
    maps, gaps, changes, steps = zip(*found, strict=True)
    return Complete(
        np.concatenate(maps), np.array(gaps, np.float32), np.array(changes, np.float32), np.array(steps, np.int64)
    )


def _change(classifier: Classifier, image: Any, label: np.ndarray, options: dict[str, Any]) -> float:
    """`y(x) - mean y(x0)` of one image."""
    unit = to_float(image).astype(np.float32)
    ends = np.concatenate(
        [np.asarray(unit)[None], np.moveaxis(np.asarray(make_baselines(unit, options["baseline"])), 1, 0)]
    )
    logits = jnp.concatenate([logits_of(classifier, end) for end in ends])
    labels = jnp.repeat(jnp.asarray(label, jnp.int32), len(ends))
    values = np.asarray(score(classifier.output, logits, labels, options.get("target", "logit")), np.float64)
    return float(values[0] - values[1:].mean())


def _one(
    name: str, given: tuple, options: dict[str, Any], change: float, tolerance: float | None, max_steps: int
) -> tuple[np.ndarray, float, float, int]:
    own = options.get("steps", 0)
    steps = (_own_steps(name, options) if own is None else own) if tolerance is None else FEWEST
    enough = False
    while True:
        more = {} if "steps" not in options else {"steps": steps}
        full = METHODS[name].function(*given, **{**options, **more, "reduce": "none"})
        gap = float(np.asarray(full, np.float64).sum()) - change
        small = tolerance is not None and abs(gap) <= tolerance * abs(change)
        if tolerance is None or (small and enough) or 2 * steps > max_steps:
            return np.asarray(reduce_channels(full, options["reduce"]), np.float32), gap, change, steps
        enough, steps = small, 2 * steps


def _own_steps(name: str, options: dict[str, Any]) -> int:
    """What a method without a number of steps takes."""
    from xaijax.explain.gradients._integrated_gradients import quadrature

    return len(quadrature(options["rule"], None)[0])
