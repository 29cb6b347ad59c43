"""What the registry knows about one architecture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flax import nnx


@dataclass(frozen=True)
class Entry:
    """One architecture of the registry.

    Args:
        name: its name in `xaijax.models.create`.
        build: `(num_classes, input_shape, rngs, **options)` -> module, `[B, H, W, C]` -> logits `[B, K]`.
        input_shape: (H, W, C) it is made for, where the user says nothing.
        minimum: smallest side in pixels that it takes.
        layer: its default layer for CAM methods, or None to infer it.
        options: names of the options that `build` takes.
        preprocess: style of `xaijax.preprocess` of its usual weights; what it is trained with here.
        summary: one line.
    """

    name: str
    build: Callable[..., nnx.Module]
    input_shape: tuple[int, int, int]
    minimum: int = 32
    layer: str | None = None
    options: tuple[str, ...] = ()
    preprocess: str = "identity"
    summary: str = ""

    def check(self, num_classes: int, input_shape: tuple[int, int, int], options: dict[str, Any]) -> None:
        """Refuse sizes and options that it does not have, in one sentence."""
        if num_classes < 2:
            raise ValueError(f"num_classes must be 2 or more; got {num_classes}")
        height, width, channels = input_shape
        if min(height, width) < self.minimum or channels not in (1, 3):
            raise ValueError(
                f"{self.name} takes images of {self.minimum} pixels a side or more with 1 or 3 channels; "
                f"got {list(input_shape)}"
            )
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            known = f"; it has {', '.join(self.options)}" if self.options else "; it has none"
            raise ValueError(f"{self.name} has no option {', '.join(unknown)}{known}")
