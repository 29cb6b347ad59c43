"""The configuration of `xaijax bench`."""

import dataclasses
import datetime
from pathlib import Path
from typing import Annotated, Literal

from xaijax import _names
from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax._runs import command_line, options
from xaijax._runs.options import (
    ClusterOptions,
    DataOptions,
    DeviceOptions,
    Images,
    MapsOptions,
    MethodOptions,
    MetricOptions,
    ModelOptions,
    RunOptions,
    SplitOptions,
    TargetOptions,
    check_at_least,
)
from xaijax.bench import deciding
from xaijax.bench.deciding import UntilOptions

FREE = options.FREE | {"recompute_changed"}
"""Options that may differ between the command that started a run and the one that resumes it."""
AUTO, QUICK, NONE = WORDS = ("auto", "quick", "none")
"""What `--calibration` says besides folders; `--methods none` computes no method."""
DEFAULT_METRICS = (
    *("sic_mutual", "deletion_mean", "pixel_flipping", "irof", "infidelity_patches"),
    *("pointing_game", "average_precision", "top15_energy"),
)
"""What is scored where nothing is known of the model and the data: candidates that a quick calibration judges. Where a
calibration is there, the metrics that it supports take the place of the first row."""

Gallery = Literal["all"] | Annotated[int, Range(0, 10_000)]
"""How many images the report can show."""
SHOWN = 1000
"""Images that `--gallery all` keeps at most: what a page can hold and a reader look through."""
DRAWN = 6
"""Images in the figure of heat maps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchConfig(
    RunOptions,
    ClusterOptions,
    DeviceOptions,
    UntilOptions,
    TargetOptions,
    MetricOptions,
    MethodOptions,
    MapsOptions,
    ModelOptions,
    SplitOptions,
    DataOptions,
):
    """Score explanation methods on a data set: heat maps, AIC and SIC, localization, and a report.

    Without any option it runs on the built-in phantoms with the built-in model.
    """

    data: str = "phantoms"
    model: tuple[str, ...] = (_names.BUILTIN,)
    methods: tuple[str, ...] = ("gradient", "integrated_gradients", "grad_cam", "grad_cam_pp", "random", "sobel")
    count: Images = 32

    metrics: tuple[str, ...] = DEFAULT_METRICS

    calibration: tuple[str, ...] = ("auto",)
    """Which metrics can be believed: auto (a calibration of the same model and data that comes with xaijax or lies next
    to --out, else a quick one is made first), quick (one is made in any case), none, or folders of xaijax calibrate,
    one for each model. Nothing is concluded from metrics that are not believed."""

    oracle: bool = True
    """Score the lesion masks themselves as maps, as an upper control."""

    part: Count = 8
    """Images in one part: the most that a killed run can lose, for one model."""

    gallery: Gallery = "all"
    """Images that the report can show with their maps: all (at most 1000, evenly over the run), a number, or 0."""

    config: Path | None = None
    """A YAML or TOML file with any of these options, or pic-medical, cam-confidence or cam-reliability, the methods and
    metrics of a study for models that you have trained; the command line has the last word."""

    recompute_changed: bool = False
    """With --resume: where images, masks, models or packages are others than before, compute the parts again that
    depend on them; else such a run is not resumed."""

    def command(self) -> str:
        """The command line that repeats a run: every option that is not the default, without the run folder.

        Example:
            >>> BenchConfig(count=8, methods=("random",)).command()
            'xaijax bench --count 8 --methods random'
        """
        return command_line.repeat("bench", self, skip=FREE)


def study_metrics() -> list[tuple[str, ...]]:
    """The metrics of the files that come with the command. Those that the data do not allow are left out of them."""
    fields = set(BenchConfig.__dataclass_fields__)
    files = command_line.shipped(BenchConfig).values()
    return [tuple(command_line.read_file(path, fields)["metrics"]) for path in files]


def no_methods(config: BenchConfig) -> bool:
    """Whether no method is computed: `--methods none`."""
    return len(config.methods) == 1 and _names.normal(config.methods[0]) == NONE


def word_of(config: BenchConfig) -> str | None:
    """`auto`, `quick` or `none`, or None where folders are named.

    Raises:
        InputError: for one of these words among folders.
    """
    words = [_names.normal(one) for one in config.calibration]
    if len(words) == 1 and words[0] in WORDS:
        return words[0]
    mixed = [word for word in words if word in WORDS]
    if mixed or not words:
        raise InputError(
            f"--calibration is {' '.join(config.calibration) or 'empty'}; give auto, quick or none alone, or folders "
            "of xaijax calibrate"
        )
    return None


def check(config: BenchConfig) -> BenchConfig:
    """Refuses what no data set and no model could make right; raises `InputError`."""
    config = options.check(config)
    check_at_least(config, size=16)
    if not config.model:
        raise InputError("no model was given; name a trained model, or leave --model out for the built-in one")
    if not config.methods or (no_methods(config) and not config.maps):
        raise InputError("no method was given; name methods with --methods, or bundles of maps with --maps")
    if config.resume and config.out is None:
        raise InputError("--resume needs --out with the folder of the run to resume")
    if config.recompute_changed and not config.resume:
        raise InputError("--recompute-changed belongs to --resume: add --resume, or leave it out")
    deciding.check(config)
    word = word_of(config)
    config = config if word is None else dataclasses.replace(config, calibration=(word,))
    return _all_images(config) if config.until else config


def _all_images(config: BenchConfig) -> BenchConfig:
    """With `--until` images are taken from all there are, where `--count` says nothing else."""
    generated = config.data.partition(":")[0] == "phantoms"
    return config if generated or config.count != BenchConfig().count else dataclasses.replace(config, count=0)


def out_of(config: BenchConfig) -> Path:
    """The run folder of a configuration, named or not yet."""
    return (config.out or default_out(config, datetime.datetime.now())).expanduser()


def default_out(config: BenchConfig, now: datetime.datetime) -> Path:
    """The run folder when none is named: runs/<data>-<model>-<date>-<time>.

    Example:
        >>> str(default_out(BenchConfig(), datetime.datetime(2024, 5, 6, 7, 8, 9)))
        'runs/phantoms-builtin-20240506-070809'
    """
    data = Path(config.data.rstrip("/\\")).name.replace(":", "-") or "data"
    return Path("runs") / f"{data}-{_names.short(config.model)[0]}-{now:%Y%m%d-%H%M%S}"
