"""Models given as plain functions: a pair `(features, head)`, or one function of parameters and images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xaijax._network.base import Array, Network, Recorder


@dataclass(frozen=True)
class PairNetwork(Network):
    """`features(params, images) -> A` and `head(params, A) -> logits`; one layer can be tapped, the one between."""

    features: Callable[[Any, Any], Any]
    head: Callable[[Any, Any], Any]
    layer: str

    kind = "a function pair"

    def apply(self, params: Any, images: Array, recorder: Recorder) -> Array:
        recorder.note(self.layer, "conv")
        return self.head(params, recorder(self.layer, self.features(params, images)))


@dataclass(frozen=True)
class FunctionNetwork(Network):
    """`logits(params, images)`; no layer can be tapped."""

    function: Callable[[Any, Any], Any]

    kind = "a plain function"
    has_layers = False

    def apply(self, params: Any, images: Array, recorder: Recorder) -> Array:
        return self.function(params, images)
