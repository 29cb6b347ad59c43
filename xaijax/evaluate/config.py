"""The configuration of `xaijax evaluate`, from which the command line is made."""

from dataclasses import dataclass, field
from pathlib import Path

from xaijax._runs.options import DataOptions, DeviceOptions, ModelOptions, OutOptions, SplitOptions


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(OutOptions, DeviceOptions, ModelOptions, SplitOptions, DataOptions):
    """Score a trained classifier on labelled images, or compare two: give one or two with --model."""

    out: Path = field()
