"""Metrics of other packages, judged by the same constructions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax.metrics._stream import float_images
from xaijax.metrics.calibration.case import Scene
from xaijax.metrics.registry import METRICS


@dataclass(frozen=True)
class OtherMetric:
    """A metric as a function of a model, an image and a map.

    Attributes:
        function: `function(predict, image [H, W, C], label, map [H, W]) -> float`. `predict` takes `[n, H, W, C]`
            images in [0, 1] and gives probabilities `[n, labels]`; the image is float32 in [0, 1], the map float64 in
            [0, 1] with larger values for more important pixels. NaN means that there is no value.
        higher_is_better: which direction is good.
        needs: `"model"`; `"logits"` for one whose `predict` gives logits `[n, labels]`; or `"map"` for one that never
            calls `predict`.
        batched: the function takes all maps of the image at once, `[n, H, W]`, and gives `[n]` values.

    Example:
        >>> def kept(predict, image, label, map):
        ...     return float(predict((image * (map > 0.5)[..., None])[None])[0, label])
        >>> OtherMetric(kept, higher_is_better=True).needs
        'model'
    """

    function: Callable[[Callable[[NDArray[Any]], NDArray[np.float64]], NDArray[Any], int, NDArray[Any]], Any]
    higher_is_better: bool
    needs: Literal["map", "model", "logits"] = "model"
    batched: bool = False

    def scores(self, scene: Scene, maps: Sequence[NDArray[np.float64]]) -> list[float]:
        """The value of each map of one image."""
        image = float_images(scene.image).astype(np.float32, copy=False)
        g = scene.classifier

        def probabilities(images: NDArray[Any]) -> NDArray[np.float64]:
            return _outputs.unfold(g.output, np.asarray(g.predict(images), np.float64))

        predict = g.scores if self.needs == "logits" else probabilities
        if not self.batched:
            return [self._number(self.function(predict, image, scene.label, map)) for map in maps]
        found = self.function(predict, image, scene.label, np.stack(maps))
        if np.shape(found) != (len(maps),):
            raise InputError(
                f"the function {self._name} of others must return one number for each of {len(maps)} maps, since "
                f"batched is True; got {_shown(found)}"
            )
        return [self._number(one) for one in found]

    def _number(self, found: Any) -> float:
        try:
            return float(found)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the function {self._name} of others must return one number, or NaN; got {_shown(found)}"
            ) from error

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


def _shown(found: Any) -> str:
    return f"an array of shape {np.shape(found)}" if np.ndim(found) else repr(found)


def check_others(others: Mapping[str, OtherMetric] | None) -> dict[str, OtherMetric]:
    """Other metrics by name; refuses names that the package's own metrics have."""
    if others is not None and not isinstance(others, Mapping):
        raise InputError(f"others must be a dictionary from names to OtherMetric; got {type(others).__name__}")
    found = dict(others or {})
    for name, metric in found.items():
        if name in METRICS or name.startswith("control:"):
            raise InputError(f"the name {name!r} of another package's metric is taken: choose another one")
        if not isinstance(metric, OtherMetric):
            raise InputError(f"others must hold OtherMetric; {name!r} is {type(metric).__name__}")
        if not callable(metric.function):
            raise InputError(f"the function of {name!r} in others cannot be called; got {metric.function!r}")
        if metric.needs not in ("map", "model", "logits"):
            raise InputError(f"needs of {name!r} in others is {metric.needs!r}; it must be map, model or logits")
    return found
