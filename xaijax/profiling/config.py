"""What a profile is asked to measure."""

import ast
import dataclasses
import datetime
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from xaijax._errors import InputError

Precision = Literal["float32", "bfloat16"]
FORWARD = "forward"
"""The bare forward pass: a row of every profile, and the unit of the others."""


@dataclasses.dataclass(frozen=True)
class ProfileConfig:
    """Time explainers on a model, or the compiled kernels, and say what limits them.

    Per method, batch and precision: compile time, images per second, forward passes that take as long, memory,
    floating-point operations, and how near that is to what the machine can do.
    """

    model: tuple[str, ...] = ("builtin",)
    """Architectures (with random weights, which change no time), checkpoints, or "builtin"."""

    methods: tuple[str, ...] = ("gradient", "grad_cam", "integrated_gradients")
    """Explanation methods; "all" stands for all that the model can be explained by."""

    batch: tuple[int, ...] = (1, 8, 32)
    """Images in one call."""

    size: int | None = None
    """Side of the images in pixels; default: the size that the model is made for."""

    precision: tuple[Precision, ...] = ("float32",)
    """Precisions of the model."""

    devices: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to run; "auto" is what JAX takes by itself."""

    repeat: int = 20
    """Timed calls of each cell, one in each round over all cells."""

    limit: float = 60.0
    """Seconds that the timed calls of one cell may take: slow cells are repeated less often, and methods whose one call
    would take longer by their number of model passes are left out (and named)."""

    batch_size: int | None = None
    """Most perturbed images in flight in a method; default: each method's own."""

    set: tuple[str, ...] = ()
    """Options of methods, as "occlusion.stride=8"."""

    optimized: bool = True
    """Fold batch normalisation into the convolutions, as for inference."""

    classes: int = 1000
    """Classes of a model with random weights."""

    out: Path | None = None
    """Folder for profile.jsonl, the figures and profile.html; default profiles/<model>-<date>-<time>."""

    resume: bool = False
    """Go on with the profile in --out: cells that are there with as many repeats are not measured again."""

    compare: Path | None = None
    """A profile.jsonl from before: prints ratios, and what got slower beyond noise."""

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


def check(config: ProfileConfig) -> None:
    """Refuses what cannot be measured, in one sentence."""
    for name in ("batch", "sides", "threads"):
        for value in getattr(config, name):
            if value < 1:
                raise InputError(f"--{name} must be 1 or more; got {value}")
    if not config.batch or not config.model or not config.precision:
        raise InputError("--model, --batch and --precision need at least one value each")
    for name, least in (("repeat", 1), ("classes", 2)):
        if getattr(config, name) < least:
            raise InputError(f"--{name} must be {least} or more; got {getattr(config, name)}")
    if config.limit <= 0:
        raise InputError(f"--limit must be above 0 seconds; got {config.limit:g}")
    if config.batch_size is not None and config.batch_size < 1:
        raise InputError(f"--batch-size must be 1 or more; got {config.batch_size}")
    if config.compare is not None and not config.compare.is_file():
        raise InputError(f"the profile to compare with, {config.compare}, does not exist")
    if config.resume and config.out is None:
        raise InputError("--resume needs --out with the folder of the profile to go on with")
    if "bfloat16" in config.precision and not config.optimized:
        raise InputError("--precision bfloat16 needs --optimized: the optimized model alone has precisions")


def settings(entries: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """`{method: {option: value}}` from "method.option=value"; a value is a Python literal, or a text.

    Example:
        >>> settings(["occlusion.stride=8"], {"occlusion": {"stride": 1}})
        {'occlusion': {'stride': 8}}
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        method, _, option = name.partition(".")
        if not equals or method not in known or option not in known[method]:
            raise InputError(f"--set takes method.option=value, such as occlusion.stride=8; got {entry!r}")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        found.setdefault(method, {})[option] = value
    return found


def default_out(config: ProfileConfig, now: datetime.datetime) -> Path:
    """profiles/<model>-<date>-<time>."""
    what = "kernels" if config.kernels else Path(config.model[0]).stem
    return Path("profiles") / f"{what}-{now:%Y%m%d-%H%M%S}"


def command(config: ProfileConfig) -> str:
    """The line that repeats a profile: what differs from the defaults."""
    words = ["xaijax", "profile"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default or field.name in ("out", "resume", "compare", "trace"):
            continue
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)
