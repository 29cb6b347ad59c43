"""The configuration of `xaijax train`, from which the command line is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from xaijax._runs.options import RunOptions
from xaijax._runs.training import TrainingOptions

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"model": "small_cnn", "size": 64, "epochs": 5, "warmup": 0.2, "learning_rate": 3e-3},
    "fine-tune": {"frozen_epochs": 2, "epochs": 12, "learning_rate": 3e-4, "patience": 5},
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunOptions, TrainingOptions):
    """Train a classifier on a folder of images, or on the built-in phantoms."""

    out: Path = field()

    preset: Literal["quick", "fine-tune"] | None = None
    """Options for a purpose: quick, whether anything can be learnt from the data, in five epochs of the smallest model
    at 64 pixels; fine-tune, for --weights: the new head first, then everything with a small learning rate."""
