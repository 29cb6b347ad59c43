"""What a metric reads off the model's predictions: the response to an image, and whether it agrees with the label.

| output | response | right |
|---|---|---|
| softmax | probability of the class | the class is the most probable one |
| sigmoid | probability of the finding, `1 - p` where the label says that it is absent | p is at least the finding's threshold, or is not |
| binary | probability of the class | likewise |
| regression | `max(0, 1 - \\|f(x') - f(x)\\| / s)`, s the spread of the data: 1 at the intact image | never: there is none |
"""  # noqa: E501

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import _outputs
from xaijax._outputs import Output
from xaijax._ranges import beyond
from xaijax.metrics._stream import float_images

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[Any]], Any]


@dataclasses.dataclass(frozen=True)
class Answers:
    """How the predictions for one image and its changed versions are read.

    Attributes:
        output: what the model's predictions are.
        label: that is explained, as in `xaijax._outputs`.
        thresholds: from which on a finding counts as present, or None for 0.5.
        intact: `[K]`, what a regression gives for the unchanged image.
        spread: of a regression's data.

    Example:
        >>> Answers("regression", 0, intact=np.array([50.0]), spread=10.0).response(np.array([[50.0], [45.0], [90.0]]))
        array([1. , 0.5, 0. ])
    """

    output: Output
    label: int
    thresholds: tuple[float, ...] | None = None
    intact: Any = None
    spread: float = float("nan")

    @property
    def judges(self) -> bool:
        """Whether predictions can be right or wrong."""
        return self.output != "regression"

    def response(self, predictions: NDArray[Any]) -> Floats:
        """`[n]` in [0, 1] from `[n, K]`; NaN where the model gave it for this label."""
        values = np.asarray(_outputs.unfold(self.output, predictions)[:, self.label], np.float64)
        if self.output != "regression":
            return values
        return np.maximum(0.0, 1.0 - np.abs(values - self.intact[self.label]) / self.spread)

    def right(self, predictions: NDArray[Any], *, majority: bool = False) -> NDArray[np.bool_]:
        """`[n]` from `[n, K]`: whether the model agrees with the label; all False for a regression.

        With `majority` a softmax with no class above 0.5 agrees with none.
        """
        if not self.judges:
            return np.zeros(len(predictions), bool)
        found = _outputs.agrees(self.output, predictions, self.label, self.thresholds)
        if majority and self.output == "softmax":
            found = found & (predictions[:, self.label] > 0.5)
        return found

    def of_prediction(self, prediction: NDArray[Any]) -> "Answers":
        """The same for the class that is predicted, `[K]`; a softmax or a binary output has one."""
        return dataclasses.replace(self, label=int(prediction.argmax()))


def output_of(classifier: Any) -> Output:
    """What the predictions of a classifier, or of any object with `predict`, are: it says so, or it is a softmax."""
    return _outputs.check_output(getattr(classifier, "output", "softmax"))


def predictor(classifier: Any, output: Output, classes: Sequence[str] | None, *, ranged: bool = True) -> Predict:
    """The function that metrics call: one convention for all of them.

    A `xaijax.classifier.Classifier` takes images as they are, those that a metric's noise carries out of [0, 1]
    too: the user's own were checked before. Any other object's `predict` always sees float32 in [0, 1] (beyond it
    only where a metric's definition changes images so far), in an array of its own that it may change, and what it
    gives is checked; without `ranged` logits will do.
    """
    if hasattr(classifier, "network") and hasattr(classifier, "params"):

        def unchecked(images: NDArray[Any]) -> Any:
            with beyond():
                return classifier.predict(images)

        return unchecked

    def predict(images: NDArray[Any]) -> NDArray[np.float64]:
        found = classifier.predict(
            float_images(images).astype(np.float32, copy=np.issubdtype(images.dtype, np.floating))
        )
        return _outputs.check_predictions(found, output, len(images), classes, ranged=ranged)

    return predict
