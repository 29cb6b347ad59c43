"""Classifiers whose evidence is known, made of the user's own: each reads a part of an image and nothing else.

Each has `predict`, `scores`, `output`, `classes` and `thresholds`, as `xaijax.metrics.evaluate` reads them. The visible
part, its fill and the weights are arrays that are applied before the user's model, which always sees batches of one
shape and dtype: it is compiled once for all constructions.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from xaijax import _outputs
from xaijax._batches import in_batches
from xaijax._errors import InputError
from xaijax.metrics._stream import float_images
from xaijax.metrics.answers import output_of, predictor
from xaijax.metrics.calibration import cells
from xaijax.metrics.changed import class_scores

Floats = NDArray[np.float64]
LIMIT = 1e-6
"""Probabilities closer to 0 or 1 than this have no margin of their own: float32 cannot tell them apart."""
SPAN = 3.0
"""The logit of a construction's class runs from -SPAN where everything is hidden to SPAN on the intact canvas."""


class Model:
    """The user's classifier, called with `[size, H, W, C]` float32 in [0, 1] and nothing else.

    Args:
        classifier: of the user.
        batch_size: most images at a time. Constructions show many images that differ in what has no influence only:
            these are not run again, and what remains is run in quarters of a batch.
    """

    def __init__(self, classifier: Any, batch_size: int) -> None:
        if not callable(getattr(classifier, "predict", None)):
            raise InputError(
                f"calibration needs a model with predict(images); {type(classifier).__name__} has none: give a "
                "Classifier or an object that has it"
            )
        self.classifier, self.batch_size, self.size = classifier, batch_size, -(-batch_size // 4)
        self.output = output_of(classifier)
        self.classes = getattr(classifier, "classes", None)
        self.thresholds = getattr(classifier, "thresholds", None)
        self._predict = predictor(classifier, self.output, self.classes)
        self.passes = 0

    def predict(self, images: NDArray[Any]) -> Floats:
        """`[n, K]`, what the user's `predict` gives."""
        return self._run(self._predict, images)

    def scores(self, images: NDArray[Any]) -> Floats:
        """`[n, labels]` logits; what `predict` gives where there are none."""
        return self._run(class_scores(self.classifier), images)

    def probability(self, images: NDArray[Any], labels: Any) -> Floats:
        """`[n]` of a label each, or one for all."""
        values = _outputs.unfold(self.output, self.predict(images))
        return np.asarray(values[np.arange(len(values)), labels], np.float64)

    def margin(self, images: NDArray[Any], labels: Any) -> Floats:
        """`[n]` logit margins, `log p - log(1 - p)` of a label, at most ±13.8."""
        p = np.clip(self.probability(images, labels), LIMIT, 1 - LIMIT)
        return np.asarray(np.log(p) - np.log1p(-p))

    def _run(self, function: Callable[[NDArray[Any]], Any], images: NDArray[Any]) -> Floats:
        given = float_images(np.asarray(images)).astype(np.float32, copy=False)
        self.passes += len(given)
        return np.asarray(in_batches(function, self.size, given), np.float64)


class Answered:
    """What a function gave for each visible part, so that one that was seen before is not run again.

    Example:
        >>> calls = []
        >>> def total(parts):
        ...     calls.append(len(parts))
        ...     return parts.sum(axis=1)
        >>> answered = Answered(total)
        >>> answered(np.array([[1, 2], [1, 2], [3, 4]])).tolist(), answered(np.array([[3, 4]])).tolist(), calls
        ([3, 3, 7], [7], [2])
    """

    def __init__(self, function: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self.function = function
        self.known: dict[bytes, Any] = {}

    def __call__(self, parts: NDArray[Any]) -> NDArray[Any]:
        keys = [hashlib.blake2b(part.tobytes(), digest_size=16).digest() for part in parts]
        new = {key: i for i, key in reversed(list(enumerate(keys))) if key not in self.known}
        if new:
            first = sorted(new.values())
            for i, row in zip(first, self.function(parts[first]), strict=True):
                self.known[keys[i]] = row
        return np.stack([self.known[key] for key in keys])


class _OfPart:
    """What f answers to one visible part of the image."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.output, self.classes, self.thresholds = model.output, model.classes, model.thresholds
        self.network = getattr(model.classifier, "network", None)
        self._predict = Answered(lambda parts: model.predict(self.whole(parts)))
        self._scores = Answered(lambda parts: model.scores(self.whole(parts)))

    def seen(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """What is visible."""
        raise NotImplementedError

    def whole(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the user's model gets."""
        raise NotImplementedError

    def predict(self, images: NDArray[Any]) -> Floats:
        """`[n, K]`."""
        return self._predict(self.seen(images))

    def scores(self, images: NDArray[Any]) -> Floats:
        """`[n, labels]` logits."""
        return self._scores(self.seen(images))


class View(_OfPart):
    """`g(x) = f(where(S, x, b))`: pixels outside S have no influence.

    Args:
        model: f.
        visible: S, `[H, W]` bool.
        base: b, `[C]` in [0, 1].
    """

    def __init__(self, model: Model, visible: NDArray[np.bool_], base: NDArray[Any]) -> None:
        super().__init__(model)
        self.visible, self.base = visible, np.asarray(base, np.float32)

    def seen(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """`[n, pixels, C]`: what is visible."""
        return float_images(np.asarray(images)).astype(np.float32, copy=False)[:, self.visible]

    def whole(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[n, H, W, C]`: what the user's model gets."""
        made = np.empty((len(parts), *self.visible.shape, parts.shape[-1]), np.float32)
        made[:] = self.base
        made[:, self.visible] = parts
        return made


class Mosaic(_OfPart):
    """`g(X) = f(cell(X))`: the other cells of the canvas have no influence.

    Args:
        model: f.
        cell: its number.
        size: (H, W) of the images that f takes.
    """

    def __init__(self, model: Model, cell: int, size: tuple[int, int]) -> None:
        super().__init__(model)
        self.cell, self.size = cell, size

    def seen(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """`[n, h, w, C]`: what is visible."""
        return float_images(cells.cell_of(np.asarray(images), self.cell)).astype(np.float32, copy=False)

    def whole(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[n, H, W, C]`: what the user's model gets."""
        return cells.enlarge(parts, self.size)


class Natural(_OfPart):
    """`g(X) = f(X)`, X a canvas with one image of the class: where f looks is not guaranteed.

    Args:
        model: f.
        size: (H, W) of the images that f takes.
    """

    def __init__(self, model: Model, size: tuple[int, int]) -> None:
        super().__init__(model)
        self.size = size

    def seen(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """`[n, 2h, 2w, C]`: all of it."""
        return float_images(np.asarray(images)).astype(np.float32, copy=False)

    def whole(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[n, H, W, C]`: an odd side repeats its last pixel once more."""
        missing = [(0, 0), (0, self.size[0] - parts.shape[1]), (0, self.size[1] - parts.shape[2]), (0, 0)]
        return np.pad(parts, missing, mode="edge") if parts.shape[1:3] != self.size else parts


class Whole(_OfPart):
    """`g(x) = f(x)`, f a network that was fine-tuned on a cue: what it reads was measured, see `gate`.

    Args:
        model: f.
    """

    def seen(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """`[n, H, W, C]`: all of it."""
        return float_images(np.asarray(images)).astype(np.float32, copy=False)

    def whole(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[n, H, W, C]`: the same."""
        return parts


class Parts:
    """A known function of the margins of some cells: weighted sum, minimum or maximum, then a sigmoid.

    Args:
        model: f.
        label: whose margin is read.
        how: `"sum"`, `"and"` (minimum) or `"or"` (maximum).
        weights: `[4]` of the cells; those of weight 0 are not read. Only a sum uses their size.
        size: (H, W) of the images that f takes.
        ends: what the function gives with all cells hidden, and intact; the second is larger.
    """

    output: Literal["softmax"] = "softmax"
    thresholds = None

    def __init__(
        self,
        model: Model,
        label: int,
        how: Literal["sum", "and", "or"],
        weights: NDArray[Any],
        size: tuple[int, int],
        ends: tuple[float, float] = (-SPAN, SPAN),
    ) -> None:
        self.model, self.label, self.how, self.size, self.ends = model, label, how, size, ends
        self.weights = np.asarray(weights, np.float64)
        self.network = getattr(model.classifier, "network", None)
        self.classes = ("other", "class")
        self._margin = Answered(lambda parts: model.margin(cells.enlarge(parts, size), label))

    @property
    def read(self) -> NDArray[np.intp]:
        """Numbers of the cells that have an influence."""
        return np.flatnonzero(self.weights)

    def margins(self, images: NDArray[Any]) -> Floats:
        """`[n, cells]` of those that are read."""
        given = float_images(np.asarray(images)).astype(np.float32, copy=False)
        parts = np.concatenate([cells.cell_of(given, int(k)) for k in self.read])
        return self._margin(parts).reshape(len(self.read), len(given)).T

    def combine(self, margins: Floats) -> Floats:
        """`[..., cells]` -> `[...]`: the pre-activation."""
        if self.how == "sum":
            return np.asarray((margins * self.weights[self.read]).sum(axis=-1))
        return np.asarray(margins.min(axis=-1) if self.how == "and" else margins.max(axis=-1))

    def logit(self, images: NDArray[Any]) -> Floats:
        """`[n]`, from -3 (all hidden) to 3 (intact): the pre-activation on another scale."""
        low, high = self.ends
        return (self.combine(self.margins(images)) - low) / (high - low) * 2 * SPAN - SPAN

    def predict(self, images: NDArray[Any]) -> Floats:
        """`[n, 2]`: of everything else, and of the class."""
        p = expit(self.logit(images))
        return np.stack([1 - p, p], axis=1)

    def scores(self, images: NDArray[Any]) -> Floats:
        """`[n, 2]`: the logit with its sign turned, and the logit: linear in the pre-activation."""
        z = self.logit(images)
        return np.stack([-z, z], axis=1)
