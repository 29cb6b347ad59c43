"""How sure is each pixel: standard errors of the methods that draw.

| method | standard error |
|---|---|
| `rise` | of a mean of independent masks, `sd/√n` |
| `smoothgrad` | of a mean of independent draws, through the reduction over channels to first order |
| `kernel_shap` | bootstrap of the pairs of complements; 0 where all coalitions are enumerated |
| `sobol` | `sd/√R` over R independently scrambled replicates, since the points of one are not independent |
| the others that take a `key` | likewise over R replicates with keys of their own; the map is their mean |

The errors are those of drawing: what another seed would change. They say nothing about whether the map is right.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _names, _options, _outputs
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain._method import as_key, check_batch
from xaijax.explain._registry import METHODS, logits_of, methods
from xaijax.explain.gradients._smoothgrad_moments import smoothgrad_moments
from xaijax.explain.perturbation._kernel_shap_error import kernel_shap_with_error
from xaijax.explain.perturbation._rise import rise_moments

FEWEST = 30  # draws before a tolerance may stop
FEWEST_REPLICATES = 8
One = tuple[np.ndarray, np.ndarray, int]


class Uncertain(NamedTuple):
    """Maps with their standard errors.

    Attributes:
        maps: `[B, H, W]` float32, raw, as the method makes them; where replicates are drawn, their mean.
        standard_errors: `[B, H, W]` float32, in the unit of the maps.
        draws: `[B]` int, how many independent draws each map has: masks, noisy copies, coalitions or replicates.

    Example:
        >>> Uncertain(np.zeros((1, 2, 2)), np.ones((1, 2, 2)), np.array([30])).draws.tolist()
        [30]
    """

    maps: np.ndarray
    standard_errors: np.ndarray
    draws: np.ndarray


def sampling() -> tuple[str, ...]:
    """The methods that `uncertainty` takes: all that draw, but for the controls.

    Example:
        >>> "rise" in sampling(), "grad_cam" in sampling(), "random" in sampling()
        (True, False, False)
    """
    return tuple(name for name in methods(needs="key") if METHODS[name].family != "control")


def uncertainty(
    name: str,
    classifier: Classifier,
    images: Any,
    labels: Any = None,
    *,
    tolerance: float | None = None,
    max_draws: int = 10_000,
    replicates: int = FEWEST_REPLICATES,
    **options: Any,
) -> Uncertain:
    """Maps of a method that draws, with the standard error of each pixel.

    With a fixed number of draws, `map ± 1.96 standard errors` contains the map of infinitely many draws in about 95 %
    of the cases (replicates: `± t` with `replicates - 1` degrees of freedom, and around the mean map of that number of
    draws, from which LIME, HSIC and VarGrad move a little as draws are added). Where `smoothgrad` reduces by a largest
    or an absolute value, that holds away from its kinks. With `tolerance` the number of draws depends on the draws, and
    intervals are a little too short.

    Args:
        name: of a method that takes a `key` and is no control (of `smoothgrad` the `statistic` mean or square).
        classifier: any classifier that the method explains.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        tolerance: `rise` and `smoothgrad` alone: each image draws until the mean of its standard errors over the
            pixels is at most this, in the unit of the map; at least 30 draws. The method's own number is not used.
        max_draws: most draws of an image with `tolerance`; where it is not reached, the errors say so.
        replicates: 8 or more, each with the whole cost of the method; `rise`, `smoothgrad` and `kernel_shap` need none.
        **options: the method's own.

    Returns:
        `Uncertain(maps, standard_errors, draws)`.

    Raises:
        InputError: for a method that draws nothing, and values that are not allowed.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> lit = lambda w, x: jnp.stack([x[:, 2, 6, 0], 0 * x[:, 0, 0, 0]], 1) + w  # class 0 looks at one pixel
        >>> model = Classifier.from_function(lit, jnp.zeros(2), input_shape=(8, 8, 1))
        >>> found = uncertainty("rise", model, np.ones((1, 8, 8, 1)), 0, tolerance=0.02, grid=8)
        >>> bool(found.standard_errors.mean() <= 0.02), bool(30 < found.draws[0] < 2000)
        (True, True)
    """
    name = _names.match("method", name, METHODS)
    if name not in sampling():
        raise InputError(f"{name} has no standard errors, since it draws nothing; choose from {', '.join(sampling())}")
    method = METHODS[name]
    options = {**method.options, **_options.check_all(name, options, method.kinds)}
    if tolerance is not None and name not in _DRAWS:
        raise InputError(f"tolerance is for {' and '.join(_DRAWS)}; {name} takes the number of its evaluations itself")
    if tolerance is not None:
        tolerance = _options.check(_options.Positive, tolerance, "tolerance")
        max_draws = _options.check(_options.Count, max_draws, "max_draws")
        if max_draws < FEWEST:
            raise InputError(f"max_draws is {max_draws}; it must be at least {FEWEST}")
    replicates = _options.check(_options.Count, replicates, "replicates")
    if replicates < FEWEST_REPLICATES:
        raise InputError(f"replicates is {replicates}; it must be at least {FEWEST_REPLICATES}")
    if name not in _DRAWS and options.get("noise") is not None:
        raise InputError(f"standard errors of {name} are for noise from a key; leave noise out")
    images, labels = check_batch(classifier, images, labels)
    if labels is None:
        labels = np.asarray(_outputs.predicted(classifier.output, logits_of(classifier, images)))
    options["key"] = as_key(options["key"])
    found = []
    for row in range(len(images)):
        given = classifier, images[row : row + 1], np.asarray(labels)[row : row + 1]
        if name in _DRAWS:
            found.append(_draw(name, given, options, tolerance, max_draws))
        else:
            found.append(
                _kernel_shap(given, options) if name == "kernel_shap" else _repeat(name, given, options, replicates)
            )
    maps, errors, draws = zip(*found, strict=True)
    return Uncertain(np.concatenate(maps), np.concatenate(errors), np.array(draws))


def _draw(name: str, given: tuple, options: dict[str, Any], tolerance: float | None, max_draws: int) -> One:
    """Draws one image until its errors are small enough, or its fixed number."""
    count = options[_DRAWS[name]]
    if tolerance is None and count < 2:
        raise InputError(f"a standard error needs two draws or more; {name}.{_DRAWS[name]} is {count}")
    step = count if tolerance is None else min(max_draws, max(FEWEST, options["batch_size"]))
    moments, finish = (_rise, _finish_rise) if name == "rise" else (_smoothgrad, _finish_smoothgrad)
    first: Any = 0.0
    second: Any = 0.0
    drawn = 0
    while True:
        more = moments(given, options, jnp.array(drawn, jnp.int32), step)
        first, second = first + np.asarray(more[0], np.float64), second + np.asarray(more[1], np.float64)
        drawn += step
        maps, variances = finish(first / drawn, second / drawn, options)
        errors = np.sqrt(np.maximum(variances, 0.0) / (drawn - 1))
        if tolerance is None or errors.mean() <= tolerance or drawn + step > max_draws:
            return maps.astype(np.float32), errors.astype(np.float32), drawn


def _rise(given: tuple, options: dict[str, Any], start: jax.Array, step: int) -> Any:
    return rise_moments(*given, start=start, **{**options, "count": step})


def _finish_rise(mean: np.ndarray, square: np.ndarray, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return mean, square - mean**2


def _smoothgrad(given: tuple, options: dict[str, Any], start: jax.Array, step: int) -> Any:
    if options["noise"] is not None or options["statistic"] == "variance":
        raise InputError("standard errors of smoothgrad are for statistic mean or square, and for noise from a key")
    taken = {name: options[name] for name in ("method", "std", "key", "target", "batch_size")}
    squared = options["statistic"] == "square"
    return smoothgrad_moments(*given, start=start, draws=step, squared=squared, **taken)


def _finish_smoothgrad(mean: np.ndarray, square: np.ndarray, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The variance of the reduced map to first order: `dᵀ cov d`, d the derivative of the reduction at the mean."""
    covariance = square - mean[..., :, None] * mean[..., None, :]
    reduce = options["reduce"]
    if reduce == "none":
        return mean, np.diagonal(covariance, axis1=-2, axis2=-1)
    if reduce == "sum":
        return mean.sum(-1), covariance.sum((-2, -1))
    if reduce == "abs_sum":
        slope = np.sign(mean)
        return np.abs(mean).sum(-1), np.einsum("...c,...cd,...d", slope, covariance, slope)
    top = np.abs(mean).argmax(-1)[..., None]
    own = np.take_along_axis(np.diagonal(covariance, axis1=-2, axis2=-1), top, axis=-1)
    return np.abs(mean).max(-1), own[..., 0]


def _kernel_shap(given: tuple, options: dict[str, Any]) -> One:
    maps, errors, count = kernel_shap_with_error(*given, **options)
    return np.asarray(maps), np.asarray(errors), int(count[0])


def _repeat(name: str, given: tuple, options: dict[str, Any], replicates: int) -> One:
    keys = [jax.random.fold_in(options["key"], replicate) for replicate in range(replicates)]
    found = np.stack([METHODS[name].function(*given, **{**options, "key": key}) for key in keys])
    errors = found.std(0, ddof=1) / math.sqrt(replicates)
    return found.mean(0), errors, replicates


_DRAWS = {"rise": "count", "smoothgrad": "draws"}  # the option with the number of independent draws
