"""What a benchmark run is asked to do: the configuration, from the command line or from a file."""

import dataclasses
import datetime
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from xaijax._errors import InputError
from xaijax._names import closest
from xaijax.bench.presets import PRESETS, Preset

Entropy = Literal["shannon", "webp", "mutual"]
ENTROPIES: tuple[Entropy, ...] = ("shannon", "webp", "mutual")
CURVES = ("aic", "sic")
DEFAULT_METRICS = ("aic", "sic", "pointing_game", "average_precision", "iou", "top15_energy")

# What may differ between the command that started a run and the one that resumes it: nothing that enters a result.
FREE_KEYS = frozenset({"out", "config", "resume"})


@dataclasses.dataclass(frozen=True)
class BenchConfig:
    """Score explanation methods on a data set: heat maps, AIC and SIC, localization, and a report.

    Without any option it runs on the built-in phantoms with the built-in model.
    """

    data: str = "phantoms"
    """A folder (class folders, or labels.csv with masks), or "phantoms", "phantoms:brain_mri", "phantoms:chest_xray",
    "phantoms:lung_ct", "phantoms:dermoscopy"."""

    model: tuple[str, ...] = ("builtin",)
    """One or several checkpoints; "builtin" is the small network that was trained on the phantoms."""

    methods: tuple[str, ...] = ("gradient", "integrated_gradients", "grad_cam", "grad_cam_pp", "random", "sobel")
    """Explanation methods. Where there are lesion masks they are scored as maps too, as the control "oracle"."""

    options: tuple[str, ...] = ()
    """Options of the methods, as steps=20 for all that have it or rise.count=500 for one."""

    metrics: tuple[str, ...] = DEFAULT_METRICS
    """Metrics; "aic" and "sic" stand for one metric per entropy ("aic_shannon" names one of them). Of the default list,
    those that need lesion masks are left out where the data have none."""

    entropy: tuple[Entropy, ...] = ENTROPIES
    """Information measures of AIC and SIC."""

    convention: Literal["stable", "pair", "medical"] = "stable"
    """How the curves of AIC and SIC are made monotone and which images count: "stable", "pair" as in the PAIR package,
    or "medical" as in the medical study, where all maps explain the predicted class."""

    settings: tuple[str, ...] = ()
    """Options of metrics by their family, such as perturbation.steps=16 robustness.draws=50 sanity.stages=4; in a file
    a table of tables. docs/metrics.md lists them."""

    target: Literal["label", "predicted"] = "label"
    """The class that is explained and scored: the true one, or the one that the model predicts."""

    images: int = 32
    """How many images are scored, drawn evenly over the classes; 0 takes all of them."""

    split: Literal["auto", "validation", "all"] = "auto"
    """Which images to draw from; "auto": those that no given model was trained on, as far as checkpoints tell."""

    mask_role: Literal["lesion", "organ", "artefact"] | None = None
    """What the masks show, where the data do not say. Lesion masks are scored against, artefact masks by the artefact
    metrics."""

    transpose: bool = False
    """Swap rows and columns of images and masks, for files that store the transpose of the upright picture."""

    lesions: int | None = None
    """Phantoms only: lesions in each image of a class that has any; default 1."""

    cues: tuple[str, ...] = ()
    """Plant these in the images, such as "text" or "ruler:glioma" (xaijax.data.cues)."""

    correlation: float | None = None
    """With cues: share of the images of every class on which a cue tells the truth; default 0.95."""

    covered: bool = False
    """Cover the artefacts of the images: planted cues, or those with clean files or masks."""

    oracle: bool = True
    """Score the lesion masks themselves as maps, as an upper control."""

    size: int | None = None
    """Side in pixels that images get, for models that take any size; default: the size that the model declares."""

    random_masks: int = 1
    """Random masks per image from which AIC and SIC start; the score is the mean over them."""

    seed: int = 0
    """Seed of the selection of images, of the random masks and of the random methods."""

    part: int = 8
    """Images in one part: what a killed run can lose at most, for one model."""

    batch_size: int = 64
    """Images in one model call, perturbed ones included: bounds the memory."""

    gallery: int = 6
    """Images shown in the gallery of heat maps."""

    preset: Preset | None = None
    """A study: its models, methods, metrics and number of images hold where those options are not given. In Python use
    xaijax.bench.preset."""

    out: Path | None = None
    """Run directory; default runs/<data>-<model>-<date>-<time>."""

    config: Path | None = None
    """A YAML or TOML file with any of these options; the command line has the last word."""

    resume: bool = False
    """Go on with the run in --out; its configuration is read from there."""


def preset(name: str, **options: Any) -> BenchConfig:
    """The configuration of a study, with any option changed; the command line's `--preset`.

    Args:
        name: of a preset.
        **options: fields of `BenchConfig`; they override the preset's.

    Returns:
        A configuration.

    Raises:
        InputError: for an unknown preset.

    Example:
        >>> preset("study-pic", images=8).metrics, preset("study-pic", images=8).images
        (('aic', 'sic'), 8)
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}: {closest(name, PRESETS)}")
    return BenchConfig(**{**PRESETS[name], "preset": name, **options})


def check_names(kind: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Refuses unknown or repeated names of a `kind` ("method", "metric"), with the nearest known ones."""
    known = list(known)
    if not names:
        raise InputError(f"no {kind} was given; name at least one of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise InputError(f"unknown {kind} {name!r}: {closest(name, known)}")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError(f"{kind} {twice[0]!r} was given twice; name it once")


def expand_metrics(metrics: Sequence[str], entropies: Sequence[str]) -> tuple[str, ...]:
    """Replaces "aic" and "sic" by one metric per entropy, and keeps the order.

    Example:
        >>> expand_metrics(["sic", "iou"], ["shannon", "mutual"])
        ('sic_shannon', 'sic_mutual', 'iou')
    """
    names: list[str] = []
    for metric in metrics:
        names += [f"{metric}_{entropy}" for entropy in entropies] if metric in CURVES else [metric]
    return tuple(names)


def check(config: BenchConfig) -> None:
    """Refuses what no data set and no model could make right; raises `InputError`."""
    if config.preset is not None:
        default, table = BenchConfig(), PRESETS[config.preset]
        if all(getattr(config, key) == getattr(default, key) for key in table):
            raise InputError(f"the preset {config.preset} was named but not applied: use preset({config.preset!r})")
    if config.images < 0:
        raise InputError(f"--images is {config.images}; give a number of images, or 0 for all")
    for name, least in (("part", 1), ("gallery", 0), ("seed", 0), ("size", 16), ("random_masks", 1), ("batch_size", 1)):
        value = getattr(config, name)
        name = name.replace("_", "-")
        if value is not None and value < least:
            raise InputError(f"--{name} is {value}; it must be at least {least}")
    if not config.model:
        raise InputError("no model was given; name a checkpoint, or leave --model away for the built-in one")
    if not config.entropy and any(metric in CURVES for metric in config.metrics):
        raise InputError(
            f"no entropy was given for {' and '.join(CURVES)}; name at least one of {', '.join(ENTROPIES)}"
        )


def read_file(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Reads a YAML or TOML configuration; keys may be written with - or _.

    Args:
        path: A `.yaml`, `.yml` or `.toml` file that holds one table of options.
        known: Names of the options there are.

    Returns:
        Options by name, with underscores.

    Raises:
        InputError: The file is missing, is no such table, or names an unknown option.
    """
    if not path.is_file():
        raise InputError(f"the configuration file {path} does not exist")
    kind = path.suffix.lower()
    try:
        if kind == ".toml":
            import tomllib

            table = tomllib.loads(path.read_text("utf-8"))
        elif kind in {".yaml", ".yml"}:
            import yaml

            table = yaml.safe_load(path.read_text("utf-8")) or {}
        else:
            raise InputError(f"the configuration file {path} must end in .yaml, .yml or .toml")
    except (ValueError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the configuration file {path} cannot be read: {_one_line(error)}") from error
    except Exception as error:  # yaml.YAMLError, which cannot be named before yaml is imported
        raise InputError(f"the configuration file {path} cannot be read: {_one_line(error)}") from error
    if not isinstance(table, dict):
        raise InputError(f"the configuration file {path} must hold a table of options; got {type(table).__name__}")
    options = {str(key).replace("-", "_"): value for key, value in table.items()}
    known = list(known)
    for key in options:
        if key not in known:
            raise InputError(f"the configuration file {path} has an unknown option {key!r}: {closest(key, known)}")
    return options


def to_arguments(options: Mapping[str, Any]) -> list[str]:
    """Writes options as command-line arguments, so that one parser checks both.

    Example:
        >>> to_arguments({"methods": ["random", "sobel"], "resize": True, "images": 8, "out": None})
        ['--methods', 'random', 'sobel', '--resize', '--images', '8']
    """
    arguments: list[str] = []
    for key, value in options.items():
        flag = f"--{key.replace('_', '-')}"
        if value is None:
            continue
        if isinstance(value, bool):
            arguments.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, Mapping):
            from xaijax.bench.settings import to_texts

            arguments += [flag, *to_texts(value)]
        elif isinstance(value, list | tuple):
            arguments += [flag, *map(str, value)]
        else:
            arguments += [flag, str(value)]
    return arguments


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def given(arguments: Sequence[str], name: str) -> bool:
    """Whether the option `name` (with underscores) stands in a list of command-line arguments."""
    flag = name.replace("_", "-")
    forms = (f"--{flag}", f"--no-{flag}", f"--{name}", f"--no-{name}")
    return any(argument in forms or argument.startswith((f"--{flag}=", f"--{name}=")) for argument in arguments)


def merge(arguments: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Command-line arguments with those options of a file (or of a run to resume) that they do not name."""
    left = {key: value for key, value in options.items() if not given(arguments, key)}
    return [*to_arguments(left), *arguments]


def resolved(config: BenchConfig) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    values = dataclasses.asdict(config)
    for key in ("out", "config"):
        values[key] = None if values[key] is None else str(values[key])
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def command(config: BenchConfig) -> str:
    """The command line that repeats a run: every option that is not the default, without the run directory.

    Example:
        >>> command(BenchConfig(images=8, methods=("random",)))
        'xaijax bench --methods random --images 8'
    """
    base = BenchConfig() if config.preset is None else dataclasses.replace(preset(config.preset), preset=None)
    default = resolved(base)
    values = {k: v for k, v in resolved(config).items() if k not in FREE_KEYS and v != default[k]}
    return shlex.join(["xaijax", "bench", *to_arguments(values)])


def differs(config: BenchConfig, stored: Mapping[str, Any]) -> str | None:
    """The first option in which a configuration and that of a stored run disagree, if any."""
    values = resolved(config)
    for key, value in values.items():
        if key not in FREE_KEYS and key in stored and stored[key] != value:
            return key
    return None


def default_out(config: BenchConfig, now: datetime.datetime) -> Path:
    """The run directory when none is named: runs/<data>-<model>-<date>-<time>.

    Example:
        >>> str(default_out(BenchConfig(), datetime.datetime(2024, 5, 6, 7, 8, 9)))
        'runs/phantoms-builtin-20240506-070809'
    """
    data = Path(config.data.rstrip("/\\")).name.replace(":", "-") or "data"
    return Path("runs") / f"{data}-{model_names(config.model)[0]}-{now:%Y%m%d-%H%M%S}"


def model_names(models: Sequence[str]) -> tuple[str, ...]:
    """A short and unique name for each checkpoint: its file or folder name, with the folder above where two agree.

    Example:
        >>> model_names(["builtin", "runs/a/model.safetensors", "runs/b/model.safetensors"])
        ('builtin', 'a-model', 'b-model')
    """
    stems = [Path(model.rstrip("/\\")) for model in models]
    names = [stem.stem or "model" for stem in stems]
    names = [
        f"{stem.parent.name}-{name}" if names.count(name) > 1 and stem.parent.name else name
        for stem, name in zip(stems, names, strict=True)
    ]
    unique: list[str] = []
    for name in names:
        candidate, count = name, 1
        while candidate in unique:
            count += 1
            candidate = f"{name}-{count}"
        unique.append(candidate)
    return tuple(unique)
