"""Opens what a run needs and decides what it does: data, models, images, methods, metrics.

Everything that can be refused is refused here, before a run directory exists.
"""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax._errors import InputError
from xaijax.bench import plan, settings
from xaijax.bench.method_options import parse_options
from xaijax.bench.plan import ORACLE, BenchConfig
from xaijax.bench.presets import PRESETS

if TYPE_CHECKING:
    from xaijax.classifier import Classifier
    from xaijax.data import Dataset

BUILTIN = "builtin"
PHANTOMS = "phantoms"
# Phantoms of a benchmark must be none of those that a model was trained on; training starts at seed 0.
PHANTOM_SEED = 1_000_003


@dataclasses.dataclass(frozen=True)
class Model:
    """A classifier with its name in the run, where it came from, and a digest of its parameters."""

    name: str
    path: str
    classifier: "Classifier"
    digest: str
    # position of each class of the data among the classes of the model
    class_index: tuple[int, ...]

    def describe(self) -> dict[str, Any]:
        """What run.json keeps."""
        return {
            "name": self.name,
            "path": self.path,
            "digest": self.digest,
            "classes": list(self.classifier.classes),
            "input_shape": list(self.classifier.input_shape),
        }


@dataclasses.dataclass(frozen=True)
class Job:
    """A run, decided: nothing in it is open any more."""

    config: BenchConfig
    dataset: "Dataset"
    models: tuple[Model, ...]
    cases: tuple[int, ...]
    skipped: tuple[tuple[str, str], ...]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    notes: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def explains_predicted(self) -> bool:
        """Whether maps explain the class that a model predicts, as the medical convention does, not the true one."""
        return self.config.target == "predicted" or self.config.convention == "medical"

    @property
    def ids(self) -> list[str]:
        """Names of the images to score, in the order of the parts."""
        return [self.dataset.cases[case].id for case in self.cases]

    def parts(self) -> list[tuple[str, Model, tuple[int, ...]]]:
        """Name, model and cases of each part."""
        size = self.config.part
        return [
            (f"{number:02d}-{_file_name(model.name)}-{start // size:04d}", model, self.cases[start : start + size])
            for number, model in enumerate(self.models)
            for start in range(0, len(self.cases), size)
        ]


def prepare(config: BenchConfig, *, progress: Callable[[int, int], None] | None = None) -> Job:
    """Opens data and models and chooses the images of a run.

    Args:
        config: What was asked for.
        progress: Called with (images read, images to read) while the images are looked through.

    Returns:
        The job.

    Raises:
        InputError: Anything is unknown, missing, or does not fit together; one sentence says what.
    """
    plan.check(config)
    metrics = plan.expand_metrics(config.metrics, config.entropy)
    from xaijax import explain
    from xaijax.metrics import METRICS

    plan.check_names("method", config.methods, [*explain.methods(without="masks"), ORACLE])
    plan.check_names("metric", metrics, METRICS)
    parse_options(config.options, config.methods)
    chosen_settings = settings.parse(config.settings)
    refuse_untrained(config)
    dataset = open_data(config)
    dataset.require_classes(2)
    notes: list[str] = []
    methods, metrics = _with_masks(config, dataset, metrics, notes)
    unused = sorted(set(chosen_settings) - {METRICS[metric].family for metric in metrics})
    if unused:
        notes.append(f"Settings of {' and '.join(unused)} change nothing here: no metric of theirs was asked for.")
    models = load_models(config, dataset, notes)
    pool = _pool(config, dataset, models, notes)
    chosen = choose(np.asarray([dataset.cases[index].label for index in pool]), config.images, config.seed)
    cases, skipped = _readable(dataset, [pool[i] for i in chosen], models[0].classifier.input_shape, progress)
    if not cases:
        first, reason = skipped[0]
        raise InputError(
            f"none of the {len(skipped)} images chosen from {config.data} can be read; the first, {first}: {reason}"
        )
    _note_sizes(dataset, cases, models, notes)
    return Job(
        config, dataset, models, tuple(cases), tuple(skipped), methods, metrics, tuple(notes), settings=chosen_settings
    )


def open_data(config: BenchConfig) -> "Dataset":
    """Opens the data set of a run; phantoms get as many images as are scored, and seeds of their own."""
    from xaijax import data

    if is_phantoms(config):
        # Without a number of images the modality's own default holds.
        return data.open_dataset(
            config.data,
            mask_role=config.mask_role,
            n=config.images or None,
            seed=PHANTOM_SEED + config.seed,
            lesions=config.lesions,
            cues=config.cues,
            correlation=config.correlation,
            covered=config.covered,
        )
    return data.open_dataset(
        config.data,
        mask_role=config.mask_role,
        transpose=config.transpose,
        seed=config.seed if config.cues else None,
        lesions=config.lesions,
        cues=config.cues,
        correlation=config.correlation,
        covered=config.covered,
    )


def is_phantoms(config: BenchConfig) -> bool:
    """Whether the data of a run are generated."""
    return config.data.partition(":")[0] == PHANTOMS


def load_models(config: BenchConfig, dataset: "Dataset", notes: list[str]) -> tuple[Model, ...]:
    """Loads the models of a run and checks that they know the classes of the data; notes what had to be assumed."""
    from xaijax import models
    from xaijax.models.opening import is_unnamed

    loaded = []
    for name, path in zip(plan.model_names(config.model), config.model, strict=True):
        classifier = models.builtin() if path == BUILTIN else models.load(path)
        if is_unnamed(classifier.classes) and len(classifier.classes) == len(dataset.classes):
            names = tuple(dataset.classes)
            if names != classifier.classes:
                notes.append(f"Model {name} does not name its classes: taken to be {', '.join(names)}, in this order.")
            classifier = dataclasses.replace(classifier, classes=names)
        if config.size is not None:
            classifier = classifier.with_input_shape((config.size, config.size, classifier.input_shape[-1]))
        index = match_classes(dataset.classes, classifier.classes, f"model {path}", f"the data {config.data}")
        loaded.append(Model(name, path, classifier, digest(classifier.params), index))
    return tuple(loaded)


def refuse_untrained(config: BenchConfig) -> None:
    """Refuses architectures that are named where trained checkpoints are needed, and says how to train them."""
    from xaijax import models

    known = models.list_models()
    bare = [name for name in config.model if name in known and not Path(name).exists()]
    if not bare:
        return
    whose = "" if config.preset is None else f" of the preset {config.preset}"
    train = shlex.join(["xaijax", "train", "--data", config.data, "--model", bare[0], "--out", f"runs/{bare[0]}"])
    others = f" (likewise {', '.join(bare[1:])})" if len(bare) > 1 else ""
    folders = " ".join(f"runs/{name}" for name in bare)
    raise InputError(
        f"the model{'s' if len(bare) > 1 else ''}{whose} must be trained first: run `{train}`{others}, then give "
        f"--model {folders}"
    )


def match_classes(wanted: Sequence[str], known: Sequence[str], model: str, data: str) -> tuple[int, ...]:
    """Where each class of the data stands among the classes of the model; names must agree, their order need not.

    Example:
        >>> match_classes(["cat", "dog"], ["dog", "cat", "fox"], "model m", "the data d")
        (1, 0)
    """
    known = list(known)
    unnamed = known == [str(number) for number in range(len(known))]
    if unnamed and len(known) == len(wanted):
        return tuple(range(len(known)))
    absent = [name for name in wanted if name not in known]
    if absent:
        raise InputError(
            f"{model} knows the classes {', '.join(known)}, but {data} have {', '.join(wanted)}: give a model that was "
            f"trained on these classes ({absent[0]!r} is missing)"
        )
    return tuple(known.index(name) for name in wanted)


def digest(params: Any) -> str:
    """A short hash of all parameters, so that a resumed run notices another checkpoint under the same path."""
    import jax

    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def choose(labels: np.ndarray, count: int, seed: int) -> list[int]:
    """Draws images evenly over the classes: shuffled within each class, then one class after the other in turn.

    Args:
        labels: [N] class of each image.
        count: How many; 0 for all. Fewer are returned where there are fewer.
        seed: Seed of the shuffle.

    Returns:
        Positions in `labels`.

    Example:
        >>> [int(label) for label in np.array([0, 0, 0, 1, 1])[choose(np.array([0, 0, 0, 1, 1]), 4, seed=0)]]
        [0, 1, 0, 1]
    """
    rng = np.random.default_rng(seed)
    queues = [list(rng.permutation(np.flatnonzero(labels == label))) for label in np.unique(labels)]
    order: list[int] = []
    while any(queues):
        order += [int(queue.pop(0)) for queue in queues if queue]
    return order[: count or None]


def _with_masks(
    config: BenchConfig, dataset: "Dataset", metrics: tuple[str, ...], notes: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Adds the oracle where there are lesion masks; drops default metrics whose masks are not there, refuses others."""
    from xaijax.metrics import METRICS

    for metric in metrics:
        if "variants" in METRICS[metric].needs and len(config.model) < 2:
            raise InputError(f"the metric {metric} compares the maps of several models: give two or more with --model")
    study = {} if config.preset is None else PRESETS[config.preset]
    optional = config.metrics in (plan.DEFAULT_METRICS, study.get("metrics"))
    needing = [metric for metric in metrics if not set(METRICS[metric].roles) <= set(dataset.roles)]
    methods = tuple(method for method in config.methods if method != ORACLE)
    try:
        dataset.require_mask_role("lesion")
        lesions = ""
    except ValueError as error:
        lesions = str(error)
    if lesions and ORACLE in config.methods:
        raise InputError(f"the method {ORACLE} cannot be scored: {lesions}")
    if needing and not optional:
        if lesions and METRICS[needing[0]].roles == ("lesion",):
            raise InputError(f"the metric {needing[0]} cannot be computed: {lesions}")
        raise InputError(_lacking(needing[0], dataset.roles))
    if needing:
        notes.append(f"Localization was not scored: {lesions}.")
    if not lesions and (config.oracle or ORACLE in config.methods):
        methods = (*methods, ORACLE)
    return methods, tuple(metric for metric in metrics if metric not in needing)


def _lacking(metric: str, roles: Sequence[str]) -> str:
    from xaijax.metrics import METRICS

    wanted = " and ".join(METRICS[metric].roles)
    return f"the metric {metric} needs {wanted} masks; the data have {' and '.join(roles) or 'none'}: leave it out"


def _pool(config: BenchConfig, dataset: "Dataset", models: Sequence[Model], notes: list[str]) -> list[int]:
    """The images to draw from: those that no model was trained on, as far as the checkpoints tell."""
    everything = list(range(len(dataset)))
    if config.split == "all" or is_phantoms(config):
        return everything
    held_out: set[int] | None = None
    for model in models:
        inside = validation_of(model.path, dataset)
        if inside is None:
            if config.split == "validation":
                raise InputError(
                    f"model {model.path} does not name its validation images of {config.data}: use --split all"
                )
            notes.append(f"Model {model.name} does not say which images it was trained on: some may be among these.")
            continue
        turned = bool(training_of(model.path).get("config", {}).get("transpose", config.transpose))
        if turned != config.transpose:
            raise InputError(
                f"model {model.path} was trained with{'' if turned else 'out'} --transpose and this run is "
                f"with{'out' if turned else ''} it: give {'--transpose' if turned else 'no --transpose'}"
            )
        held_out = set(inside) if held_out is None else held_out & set(inside)
    if held_out is None:
        return everything
    if not held_out:
        raise InputError("no image was left out of the training of all models; use --split all, or fewer models")
    notes.append(f"Images are drawn from the {len(held_out)} that the models were not trained on.")
    return sorted(held_out)


def training_of(path: str) -> dict[str, Any]:
    """What a training left in train.json beside its checkpoint; empty where there is none."""
    file = Path(path).expanduser()
    file = (file if file.is_dir() else file.parent) / "train.json"
    try:
        record = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def validation_of(path: str, dataset: "Dataset") -> list[int] | None:
    """Positions of the validation images that a training names, or None where it does not know this data set.

    `xaijax train` leaves them in train.json beside the checkpoint.
    """
    data = training_of(path).get("data", {})
    try:
        validation, training = set(data["validation"]), set(data["training"])
    except (KeyError, TypeError):
        return None
    ids = [case.id for case in dataset.cases]
    # The same file names in another data set say nothing: the training must know nearly all of these images.
    known = sum(name in validation or name in training for name in ids)
    if known < len(ids) / 2:
        return None
    return [position for position, name in enumerate(ids) if name not in training]


def _readable(
    dataset: "Dataset", cases: Iterable[int], shape: Sequence[int], progress: Callable[[int, int], None] | None
) -> tuple[list[int], list[tuple[str, str]]]:
    """Looks through the chosen images once, so that the list of images is fixed before the run starts."""
    cases = list(cases)
    good: list[int] = []
    skipped: list[tuple[str, str]] = []
    for number, case in enumerate(cases):
        try:
            dataset.read([case], tuple(shape))  # type: ignore[arg-type]
            good.append(case)
        except ValueError as error:
            # The sentence names the data set and the image; the list of skipped images has both already.
            name = dataset.cases[case].id
            skipped.append((name, str(error).rpartition(f"{name}: ")[2]))
        if progress is not None:
            progress(number + 1, len(cases))
    return good, skipped


def _note_sizes(dataset: "Dataset", cases: Sequence[int], models: Sequence[Model], notes: list[str]) -> None:
    shape = dataset.cases[cases[0]].source.read(masks=False)[0].shape
    for model in models:
        wanted = tuple(model.classifier.input_shape)
        if tuple(shape) != wanted:
            notes.append(
                f"Images (the first is {_shape(shape)}) were brought to the {_shape(wanted)} that model {model.name} "
                "takes."
            )


def _shape(shape: Sequence[int]) -> str:
    return f"{shape[0]} × {shape[1]} {'grey' if shape[2] == 1 else 'RGB'}"


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
