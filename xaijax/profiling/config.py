"""The configuration of `xaijax profile`."""

import dataclasses
import datetime
from pathlib import Path

from xaijax._errors import InputError
from xaijax._names import BUILTIN
from xaijax._runs import command_line
from xaijax._runs.options import (
    FREE,
    DeviceOptions,
    MethodOptions,
    ModelOptions,
    Precision,
    PrecisionOptions,
    RunOptions,
    check_at_least,
)

FORWARD = "forward"
"""The bare forward pass: a row of every profile, and the unit of the others."""
DECIDES = ("optimized", "class_count")
"""Options that a profile may not change when it resumes. All others say which cells are measured, and how often."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProfileConfig(RunOptions, DeviceOptions, PrecisionOptions, MethodOptions, ModelOptions):
    """Time explainers on a model, or the compiled kernels, and name what limits them.

    Per method, batch and precision: compile time, images per second, forward passes that take as long, memory,
    floating-point operations, and how near that is to what the machine can do.
    """

    model: tuple[str, ...] = (BUILTIN,)
    methods: tuple[str, ...] = ("gradient", "grad_cam", "integrated_gradients")
    batch_size: int | None = None  # type: ignore[assignment]

    batch: tuple[int, ...] = (1, 8, 32)
    """Images in one call."""

    precision: tuple[Precision, ...] = ("float32",)  # type: ignore[assignment]

    repeat: int = 20
    """Timed calls of each cell, one in each round over all cells."""

    limit: float = 60.0
    """Seconds that the timed calls of one cell may take: slow cells are repeated less often, and methods whose one call
    would take longer by their number of model passes are left out (and named)."""

    optimized: bool = True
    """Fold batch normalisation into the convolutions, as for inference."""

    class_count: int = 1000
    """Classes of a model with random weights."""

    compare: Path | None = None
    """An earlier profile.jsonl: prints ratios, and what got slower beyond noise."""

    trace: Path | None = None
    """A folder for a trace of one call of each method by JAX's profiler; its ten heaviest operations are printed."""

    kernels: bool = False
    """Time the compiled kernels in place of explainers: sizes, threads and backends side by side."""

    kernel: tuple[str, ...] = ()
    """With --kernels: only these."""

    sides: tuple[int, ...] = (64, 128, 224, 512)
    """With --kernels: sides of the images, in pixels."""

    threads: tuple[int, ...] = ()
    """With --kernels: numbers of threads; default: 1, 2, 4 ... to the processors this process may use."""

    config: Path | None = None
    """A YAML or TOML file with any of these options, or quick (a first look); the command line has the last word."""

    def command(self) -> str:
        """The line that repeats the profile: what differs from the defaults."""
        return command_line.repeat("profile", self, skip={*FREE, "compare", "trace"})

    def free(self) -> set[str]:
        """Options that may differ when the profile resumes."""
        return {field.name for field in dataclasses.fields(self)} - {*DECIDES}


def check(config: ProfileConfig) -> None:
    """Refuses what cannot be measured, in one sentence."""
    for name in ("batch", "sides", "threads"):
        for value in getattr(config, name):
            if value < 1:
                raise InputError(f"--{name} is {value}; it must be at least 1")
    if not config.batch or not config.model or not config.precision:
        raise InputError("--model, --batch and --precision need at least one value each")
    check_at_least(config, repeat=1, class_count=2, batch_size=1, size=1)
    if not config.limit > 0:
        raise InputError(f"--limit is {config.limit:g}; it must be a number of seconds above 0")
    if config.compare is not None and not config.compare.is_file():
        raise InputError(f"the profile to compare with, {config.compare}, does not exist")
    if config.resume and config.out is None:
        raise InputError("--resume needs --out with the folder of the profile to resume")
    if "bfloat16" in config.precision and not config.optimized:
        raise InputError("--precision bfloat16 needs --optimized: the optimized model alone has precisions")


def default_out(config: ProfileConfig, now: datetime.datetime) -> Path:
    """profiles/<model>-<date>-<time>."""
    what = "kernels" if config.kernels else Path(config.model[0]).stem
    return Path("profiles") / f"{what}-{now:%Y%m%d-%H%M%S}"
