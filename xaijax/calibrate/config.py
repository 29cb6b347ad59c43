"""The configuration of `xaijax calibrate`, from which the command line is made."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xaijax import _names
from xaijax._errors import InputError
from xaijax._options import Positive
from xaijax._runs import options
from xaijax._runs.options import (
    ClusterOptions,
    DataOptions,
    DeviceOptions,
    Images,
    MetricOptions,
    ModelOptions,
    RunOptions,
    SettingOptions,
    SplitOptions,
)

Construction = Literal["view", "mosaic", "parts", "and", "or", "natural", "cue"]
CUE = "cue"
"""The construction that fine-tunes a copy of the model."""

# Metrics of each kind that score fixed maps, with the best of the study of metrics: "quick" judges them in minutes.
DEFAULT_METRICS = (
    *("aic", "sic"),
    *("deletion_black", "deletion_mean", "deletion_blur", "deletion_linear"),
    *("insertion_black", "insertion_mean", "insertion_blur", "insertion_linear"),
    *("pixel_flipping", "irof", "road", "average_drop", "infidelity_patches", "sparseness"),
    *("monotonicity_correlation", "pgi"),
)

FREE = options.FREE | {"minutes", "plan", "device"}
"""Options that may differ when a calibration is resumed: they change no finished part."""


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig(
    RunOptions,
    ClusterOptions,
    DeviceOptions,
    MetricOptions,
    SettingOptions,
    ModelOptions,
    SplitOptions,
    DataOptions,
):
    """Judge metrics: which of them can be believed for this model and these images?

    Every metric is tested where the truth is known: on pixels that provably decide the answer of the model.
    """

    data: str = "phantoms"
    model: tuple[str, ...] = (_names.BUILTIN,)
    count: Images = 32
    metrics: tuple[str, ...] = DEFAULT_METRICS

    config: Path | None = None
    """A YAML or TOML file with any of these options, or builtin (how the calibration that comes with the built-in model
    was made); the command line has the last word."""

    depth: Literal["quick", "full"] = "quick"
    """quick: three textures, three shares of noise, the constructions view, mosaic and parts; full: eight textures,
    five shares, all constructions with a guaranteed truth."""

    constructions: tuple[Construction, ...] = ()
    """How truths are made, out of view, mosaic, parts, and, or, natural, cue; default: what --depth says, without
    natural, whose truth is not guaranteed, and cue, for which a copy of the model is fine-tuned first."""

    minutes: Positive | None = None
    """Stop after this much time and judge by the cases that are done; --resume adds more. Fine-tuning for the
    construction cue takes at most half of it. Default: until all are done."""

    plan: bool = False
    """Print what would be done, the model passes and an estimate of the time, and stop."""

    def command(self) -> str:
        """The command line that repeats a calibration.

        Example:
            >>> CalibrateConfig(count=8, depth="full").command()
            'xaijax calibrate --count 8 --depth full'
        """
        from xaijax._runs import command_line

        return command_line.repeat("calibrate", self, skip=options.FREE | {"plan"})


def checked(config: CalibrateConfig) -> CalibrateConfig:
    """Refuses what no data set and no model could make right; raises `InputError`."""
    config = options.check(config)
    if len(config.model) != 1:
        raise InputError(f"--model takes one model to calibrate for; got {len(config.model)}: calibrate one by one")
    if len(set(config.constructions)) < len(config.constructions):
        raise InputError(f"--constructions names one twice: {' '.join(config.constructions)}; name each once")
    if config.constructions == (CUE,):
        raise InputError(
            "--constructions names cue alone, and no verdict rests on it: add view mosaic parts, or leave it out"
        )
    if config.resume and config.out is None:
        raise InputError("--resume needs --out with the folder of the calibration to resume")
    return config


def default_out(config: CalibrateConfig, now: datetime.datetime) -> Path:
    """The run folder when none is named: runs/calibration-<data>-<model>-<date>-<time>.

    Example:
        >>> str(default_out(CalibrateConfig(), datetime.datetime(2024, 5, 6, 7, 8, 9)))
        'runs/calibration-phantoms-builtin-20240506-070809'
    """
    data = Path(config.data.rstrip("/\\")).name.replace(":", "-") or "data"
    return Path("runs") / f"calibration-{data}-{_names.short(config.model)[0]}-{now:%Y%m%d-%H%M%S}"
