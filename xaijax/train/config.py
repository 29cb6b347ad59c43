"""The configuration of `xaijax train`, from which the command line is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from xaijax._runs.options import RunOptions
from xaijax._runs.training import TrainingOptions
from xaijax.training import Interventions

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"size": 64, "epochs": 10, "batch_size": 16, "learning_rate": 5e-3, "warmup": 0.2},
    "fine-tune": {"frozen_epochs": 2, "epochs": 12, "learning_rate": 3e-4, "patience": 5},
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunOptions, TrainingOptions):
    """Train a classifier on a folder of images, or on the built-in phantoms."""

    out: Path = field()

    interventions: Interventions = field(default_factory=Interventions)
    """Shares of every batch that are changed on purpose, with the answer that follows from the change: lesions on other
    backgrounds, images without evidence, lesions alone (docs/training.md)."""

    preset: Literal["quick", "fine-tune"] | None = None
