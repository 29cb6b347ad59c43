"""A black box: a function on the host that gives predictions, and nothing else. It runs outside compiled programs.

JAX could call it back from inside one, but a callback that uses JAX itself can wait for ever for the threads that its
caller holds, and its errors lose their type. So methods that need predictions alone run step by step for such a model
(`xaijax.explain._chunk`), and what would trace it is refused in one sentence.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _outputs
from xaijax._batches import in_batches
from xaijax._errors import InputError
from xaijax._network.base import Array, Network, Recorder, UnsupportedError
from xaijax._outputs import Output

TINY = 1e-30  # probabilities below are taken for it where their logarithm is needed
MOST = 64  # images in one call
PROBABILITIES = 1e-5  # how near to 1 the sums of probabilities are, and those of logits never
SHAPES = re.compile(r"shape|channels|size|dimension", re.IGNORECASE)  # an error that speaks of them is about a layout


@dataclass(frozen=True, eq=False)
class HostNetwork(Network):
    """A function and how it wants its images; equal to itself alone.

    Args:
        function: images -> predictions, or logits.
        classes: their names.
        output: what it gives.
        gives_logits: whether the function gives logits, not probabilities.
        channels: where the channels stand in what it takes.
        mean, std: `(x - mean) / std` of pixels in [0, 1], per channel or one number; None leaves them.
        dtype: of what it takes: floats in [0, 1], or `"uint8"`, rounded.
        batch_size: images in every call, where it takes no other number; None: up to 64.
        name: in messages.
        fingerprint: of what the function is, where that is known.
    """

    function: Callable[[np.ndarray], Any]
    classes: tuple[str, ...]
    output: Output
    gives_logits: bool
    channels: Literal["first", "last"]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    dtype: str
    batch_size: int | None
    name: str
    fingerprint: str = ""
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    kind = "a black box"
    has_layers = False
    host = True

    @property
    def rounds(self) -> bool:
        """Whether it sees 8-bit images, so that smaller changes are lost."""
        return self.dtype == "uint8"

    def apply(self, params: Any, images: Array, recorder: Recorder) -> Array:
        """Logits; where the function gives probabilities, their logarithm (softmax) or their log-odds."""
        if isinstance(images, jax.core.Tracer):
            raise UnsupportedError(
                f"{self.name} is a black box, which gives predictions and no gradients; use a perturbation method such "
                "as rise or kernel_shap, or a model that xaijax can load"
            )
        return jnp.asarray(self.logits(np.asarray(images)), jnp.float32)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """`[n, H, W, C]` -> `[n, K]`, of a binary output `[n, 1]`."""
        found = self._call(images)
        if self.gives_logits or self.output == "regression":
            return found
        logs = np.log(np.maximum(found, TINY))
        if self.output == "softmax":
            return logs
        chances = found[:, 1:] if self.output == "binary" else found
        return np.log(np.maximum(chances, TINY)) - np.log(np.maximum(1 - chances, TINY))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """`[n, H, W, C]`, uint8, uint16 or float in [0, 1] -> `[n, K]` float64, as `Classifier.predict`."""
        found = self._call(images)
        if not self.gives_logits or self.output == "regression":
            return found
        if self.output == "softmax":
            odds = np.exp(found - found.max(axis=1, keepdims=True))
            return odds / odds.sum(axis=1, keepdims=True)
        chances = 1 / (1 + np.exp(-found))
        return np.concatenate([1 - chances, chances], axis=1) if self.output == "binary" else chances

    def _call(self, images: np.ndarray) -> np.ndarray:
        ready = self._ready(images)
        size = min(len(ready), MOST) if self.batch_size is None else self.batch_size
        return in_batches(self._checked, size, ready)

    def _checked(self, ready: np.ndarray) -> np.ndarray:
        with self._lock:  # most functions of others were not written for several threads
            found = explained(self.function, ready, self.channels)
        values = _outputs.as_numpy(found, self.classes, self.name)
        if not self.gives_logits:
            return _outputs.check_predictions(values, self.output, len(ready), self.classes, function=self.name)
        if self.output == "binary":
            return _outputs.check_predictions(
                np.reshape(values, (len(ready), -1)), "sigmoid", len(ready), ["logit"], ranged=False, function=self.name
            )
        values = _outputs.check_predictions(
            values, self.output, len(ready), self.classes, ranged=False, function=self.name
        )
        if self.output == "softmax" and values.min() >= 0 and (np.abs(values.sum(axis=1) - 1) <= PROBABILITIES).all():
            raise InputError(
                f"{self.name} gives numbers from 0 to 1 that sum to 1, which are probabilities already: leave out "
                "logits=True, which would apply the softmax again"
            )
        return values

    def _ready(self, images: np.ndarray) -> np.ndarray:
        """Images as the function takes them."""
        if self.dtype == "uint8":
            made = images if images.dtype == np.uint8 else np.rint(np.clip(_unit(images), 0, 1) * 255).astype(np.uint8)
        else:
            made = _unit(images)
            if self.mean is not None or self.std is not None:
                mean, std = (np.asarray(v, np.float32) for v in (self.mean or (0.0,), self.std or (1.0,)))
                made = (made - mean) / std
            made = made.astype(self.dtype, copy=False)
        made = np.ascontiguousarray(np.moveaxis(made, -1, 1) if self.channels == "first" else made)
        # Many functions standardise their images in place, which must not change those of the caller.
        return made.copy() if np.may_share_memory(made, images) else made


def explained(function: Callable[[np.ndarray], Any], images: np.ndarray, channels: str) -> Any:
    """What a function gives; its own error keeps its type, and a note on it says the likely mistake."""
    try:
        return function(images)
    except Exception as error:
        hint = layout_hint(error, channels)
        if hint and not isinstance(error, InputError):
            error.add_note(f"If the function takes [n, C, H, W], give channels={hint}.")
        raise


def layout_hint(error: Exception, channels: str) -> str:
    """The layout to name where an error of a function looks like that of another one; empty where it does not."""
    return '"first"' if channels == "last" and SHAPES.search(str(error)) else ""


def _unit(images: np.ndarray) -> np.ndarray:
    """float32, integers divided by their largest value."""
    if np.issubdtype(images.dtype, np.floating):
        return images.astype(np.float32, copy=False)
    return (images / np.float32(np.iinfo(images.dtype).max)).astype(np.float32, copy=False)
