"""Decides what a run does: data, models, images, methods and their options, metrics and theirs.

Everything that can be refused is refused here, before a run folder exists.
"""

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xaijax import _names, _options, explain
from xaijax._batches import padded
from xaijax._errors import InputError
from xaijax._outputs import present
from xaijax._runs.bundle import Bundle
from xaijax._runs.data import Readable, choose, held_out, note_lines, open_data, readable, scoring_seed, strata
from xaijax._runs.given import Given, check_targets, open_bundles, take_part
from xaijax._runs.metrics import complete_settings, expand_metrics
from xaijax._runs.models import Model, labels_of, open_models, refuse_untrained
from xaijax.bench import calibrated, deciding
from xaijax.bench import config as configuration
from xaijax.bench.config import DEFAULT_METRICS, SHOWN, BenchConfig, study_metrics
from xaijax.data import Batch, Dataset
from xaijax.explain import METHODS
from xaijax.metrics import FAMILIES, METRICS, ORACLE
from xaijax.metrics.mosaic import NAME as MOSAIC

POOL = 8
"""Images of each class that mosaics are made with."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, decided: nothing in it is open any more.

    Attributes:
        config: what was requested.
        dataset: where the images come from.
        models: opened.
        cases: positions of the images in the data set, in the order of the parts.
        skipped: (id, reason) of images that were chosen and cannot be read.
        reading: what was noted while they were read -> images.
        methods: names: those that are computed, those of bundles, and the oracle last where it is scored.
        metrics: names.
        options: {method: {option: value}}, of those that were given.
        settings: {family of metrics: {option: value}}, of those that were given.
        notes: sentences on what was assumed or left out.
        given: the methods whose maps come from bundles.
        digests: of the pixels, masks and label of each image, in the order of `cases`.
        until: with `--until` what is to be decided, see `deciding.agree`; else empty.
    """

    config: BenchConfig
    dataset: Dataset = dataclasses.field(repr=False)
    models: tuple[Model, ...]
    cases: tuple[int, ...]
    skipped: tuple[tuple[str, str], ...]
    reading: Mapping[str, int]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]
    given: tuple[Given, ...] = ()
    digests: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    until: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def planned(self) -> Mapping[int, str]:
        """Position of an image in the data set -> its digest, as it was when the run was planned."""
        return dict(zip(self.cases, self.digests, strict=True)) if self.digests else {}

    @property
    def computed(self) -> tuple[str, ...]:
        """The methods that a run computes itself."""
        others = {one.name for one in self.given} | {ORACLE}
        return tuple(method for method in self.methods if method not in others)

    def read(self, model: Model, cases: Sequence[int]) -> tuple[Batch, np.ndarray, np.ndarray, np.ndarray]:
        """Images as a model takes them, their labels, its probabilities, and the classes to explain.

        Args:
            model: of this run.
            cases: positions in the data set, of one part.

        Raises:
            InputError: for an image that went away or changed since the run was planned, or a model that gives NaN.
        """
        shape: Any = tuple(model.classifier.input_shape)
        batch = self.dataset.read(list(cases), shape, digests=bool(self.planned))
        if batch.skipped:
            name, reason = batch.skipped[0]
            raise InputError(f"the image {name} could be read when the run was planned but no longer can: {reason}")
        for name, case, digest in zip(batch.ids, cases, batch.digests, strict=True) if self.planned else ():
            if self.planned[case] != digest:
                raise InputError(
                    f"the pixels, masks or label of {name} are not those of when the run was planned: put them back, "
                    "or start a new run"
                )
        probabilities = np.asarray(model.classifier.predict(padded(batch.images, self.size)))[: len(batch)]
        if not np.isfinite(probabilities).all():
            raise InputError(
                f"model {model.path} gives NaN or infinite probabilities; its weights or its function are damaged: "
                "give another model"
            )
        labels = labels_of(model, batch.labels)
        return batch, labels, probabilities, self.explained(model, labels, probabilities)

    def pool(self, model: Model) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels that mosaics are made with: the first of each class, the same for every part."""
        counts: Counter[int] = Counter()
        cases = []
        for case in self.cases:
            label = self.dataset.cases[case].label
            counts[label] += 1
            if counts[label] <= POOL:
                cases.append(case)
        batch, labels, _, _ = self.read(model, cases)
        return batch.images, labels

    @property
    def convention(self) -> str:
        """The convention of AIC and SIC."""
        return self.settings_in_use().get("pic", {}).get("convention", "stable")

    @property
    def patients(self) -> list[int]:
        """`[images]` numbers of the patients, in the order of the parts; empty where every image is of another."""
        place: dict[object, int] = {}
        numbers = [place.setdefault(self.dataset.cases[case].group or (case,), len(place)) for case in self.cases]
        return numbers if len(place) < len(numbers) else []

    @property
    def ids(self) -> list[str]:
        """Names of the images to score, in the order of the parts."""
        return [self.dataset.cases[case].id for case in self.cases]

    @property
    def size(self) -> int:
        """Images in one part: no more than there are, since a part that is not full is filled up."""
        return min(self.config.part, len(self.cases))

    @property
    def shown(self) -> int:
        """How many images the report can show."""
        wanted = SHOWN if self.config.gallery == "all" else int(self.config.gallery)
        return min(wanted, len(self.cases))

    def in_report(self, cases: Sequence[int]) -> np.ndarray:
        """`[B]` which images of a part the report can show: spread evenly over the run, whatever part they are in."""
        places = np.array(self.places(cases), np.int64)
        total = len(self.cases)
        return (places + 1) * self.shown // total > places * self.shown // total

    def parts(self) -> list[tuple[str, Model, tuple[int, ...]]]:
        """Name, model and cases of each part."""
        size = self.size
        return [
            (f"{number:02d}-{_file_name(model.name)}-{start // size:04d}", model, self.cases[start : start + size])
            for number, model in enumerate(self.models)
            for start in range(0, len(self.cases), size)
        ]

    def places(self, cases: Sequence[int]) -> list[int]:
        """Where images of the data set stand among those of the run, from 0."""
        return [self._place[case] for case in cases]

    @functools.cached_property
    def _place(self) -> Mapping[int, int]:
        return {case: number for number, case in enumerate(self.cases)}

    def explained(self, model: Model, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """`[B]` the class that maps explain and metrics score, among the classes of a model.

        Args:
            model: of this run.
            labels: `[B]` true classes among those of the model; of findings `[B, K]`.
            probabilities: `[B, K]` of the model.

        Returns:
            `[B]` int32; of findings `[B, K]` bool, those that are explained.
        """
        target, classifier = self.config.target, model.classifier
        if classifier.output == "sigmoid":
            if target == "predicted":
                return present("sigmoid", probabilities, classifier.thresholds)
            if target == "label":
                return np.asarray(labels == 1)
            return np.broadcast_to(np.array([name == target for name in classifier.classes]), probabilities.shape)
        # The medical convention explains what the model predicts.
        if target == "predicted" or self.convention == "medical":
            return probabilities.argmax(axis=1).astype(np.int32)
        if target == "label":
            return labels
        return np.full(len(labels), model.classifier.classes.index(target), np.int32)

    def settings_in_use(self) -> dict[str, dict[str, Any]]:
        """All options of the families that are scored, defaults included, as JSON values."""
        return complete_settings(self.metrics, self.settings)


def prepare(
    config: BenchConfig, report: Callable[[float], None] | None = None, *, looked: Readable | None = None
) -> Plan:
    """Opens data and models and chooses the images of a run.

    Args:
        config: what was requested.
        report: called as `report(share)` while the images are looked through.
        looked: the images of a run that was prepared elsewhere, which are not looked through again.

    Returns:
        The plan.

    Raises:
        InputError: where anything is unknown, missing, or does not fit together, in one sentence.
    """
    config = configuration.check(config)
    metrics = expand_metrics(config.metrics)
    every = len(config.methods) == 1 and _names.normal(config.methods[0]) == "all"
    explainers = explain.methods(without="masks")
    methods: tuple[str, ...] = ()
    if not configuration.no_methods(config):
        methods = explainers if every else _names.match_all("method", config.methods, [*explainers, ORACLE])
    kinds = {name: one.kinds for table in (METHODS, FAMILIES) for name, one in table.items()}
    given = _options.from_texts(config.set, kinds, used=(*methods, *FAMILIES))
    options = {name: given[name] for name in given if name in METHODS}
    settings = {name: given[name] for name in given if name in FAMILIES}
    for family, values in settings.items():
        FAMILIES[family].read_settings(values)  # refuses values that do not go together
    refuse_untrained(config.model, config.data)
    bundles = open_bundles(config.maps)
    _refuse_without_maps(methods, bundles, metrics)
    dataset = open_data(config, seed=scoring_seed(config), findings=True)
    if bundles and dataset.multi_label:
        raise InputError("--maps has one map for each image, and these data have several findings: leave out --maps")
    notes: list[str] = [] if dataset.found is None else list(dataset.found.notes)
    methods, metrics = _with_masks(config, dataset, methods, metrics, notes)
    opened, assumed = open_models(config, dataset, config.data)
    notes += assumed
    metrics = calibrated.supported(config, dataset, opened, metrics, settings, notes)
    unused = sorted(set(settings) - {METRICS[metric].family for metric in metrics})
    if unused:
        notes.append(f"Options of {' and '.join(unused)} change nothing here: no metric of theirs is scored.")
    _check_outputs(config, opened, dataset, metrics)
    methods = _for_black_boxes(config, methods, opened, notes)
    if every:
        methods = tuple(m for m in methods if m == ORACLE or all(METHODS[m].allowed_by(o.classifier) for o in opened))
    _check_target(config, opened)
    drawn = held_out(config, config.model, dataset)
    pool = drawn.positions
    notes += drawn.notes
    if drawn.which != "images":
        unseen = ", which the models were not trained on" if drawn.unseen else ""
        notes.append(f"Images are drawn from the {len(pool)} {drawn.which}{unseen}.")
    chosen = [pool[i] for i in choose(strata(dataset, pool), config.count, config.seed)]
    available = len(chosen)
    if config.until:
        chosen, available = _for_deciding(config, dataset, chosen, notes)
    known = looked is not None
    looked = looked or readable(dataset, chosen, opened[0].classifier.input_shape, report)
    cases = looked.cases
    if not cases:
        first, reason = looked.skipped[0]
        raise InputError(
            f"none of the {len(looked.skipped)} images chosen from {config.data} can be read; the first, {first}: "
            f"{reason}"
        )
    if not known:
        _refuse_unread_masks(dataset, looked, metrics, named=config.metrics != DEFAULT_METRICS)
    notes += [f"{line}." for line in note_lines(looked.notes)]
    _note_sizes(dataset, cases, opened, notes)
    computed = tuple(method for method in methods if method != ORACLE)
    read = take_part(bundles, opened, computed, dataset, cases, notes, report)
    until: dict[str, Any] = {}
    if config.until:
        left = available - len(looked.skipped)
        until = deciding.agree(config, opened, computed, read, metrics, population=left, budget=len(cases), notes=notes)
    named = len({dataset.cases[case].group or (case,) for case in cases})
    if named < len(cases):
        notes.append(
            f"The {len(cases)} images are of {named} patients (groups): each counts once in all tests, by the mean "
            "over its images."
        )
    plan = Plan(
        config=config,
        dataset=dataset,
        models=opened,
        cases=tuple(cases),
        skipped=tuple(looked.skipped),
        reading=looked.notes,
        methods=(*computed, *dict.fromkeys(one.name for one in read), *((ORACLE,) if ORACLE in methods else ())),
        metrics=metrics,
        options=options,
        settings=settings,
        notes=tuple(notes),
        given=read,
        digests=tuple(looked.digests),
        until=until,
    )
    if read and not known:
        _check_given(plan)
    return plan


def _for_deciding(
    config: BenchConfig, dataset: Dataset, chosen: Sequence[int], notes: list[str]
) -> tuple[list[int], int]:
    """The images that a run may use, in random order and one of each patient, and how many there are in all."""
    order = deciding.one_of_each([dataset.cases[case].group for case in sorted(chosen)], config.seed)
    drawn = [sorted(chosen)[place] for place in order]
    if len(drawn) < len(chosen):
        notes.append(f"One image of each patient (group) is taken: {len(drawn)} of {len(chosen)} images.")
    return drawn[: config.max_count or None], len(drawn)


def _refuse_without_maps(methods: Sequence[str], bundles: Sequence[Bundle], metrics: Sequence[str]) -> None:
    """Refuses metrics that explain again where no method is computed."""
    needing = [metric for metric in metrics if "explainer" in METRICS[metric].needs]
    if bundles and needing and not set(methods) - {ORACLE}:
        raise InputError(
            f"the metric {needing[0]} explains changed images or models, which the maps of --maps cannot: leave it out "
            "or name a method with --methods"
        )


def _check_given(plan: Plan) -> None:
    """The classes that maps of bundles explain must be those that are scored."""
    explained: dict[str, dict[int, str]] = {}
    for _, model, cases in plan.parts():
        if any(model.name in one.models for one in plan.given):
            _, _, _, targets = plan.read(model, cases)
            names = (model.classifier.classes[target] for target in targets)
            explained.setdefault(model.name, {}).update(zip(cases, names, strict=True))
    ids = dict(zip(plan.cases, plan.ids, strict=True))
    for model in plan.models:
        if model.name in explained:
            check_targets(plan.given, model, plan.config.target, explained[model.name], ids)


def _check_outputs(config: BenchConfig, models: Sequence[Model], dataset: Dataset, metrics: Sequence[str]) -> None:
    """Refuses labels that the models' outputs are not about."""
    for model in models:
        output = model.classifier.output
        if output == "regression":
            raise InputError(
                f"the model {model.path} predicts numbers; data sets have classes or findings: score its maps in "
                "Python with xaijax.metrics.evaluate"
            )
        if (output == "sigmoid") != dataset.multi_label:
            wanted = "several findings to an image" if output == "sigmoid" else "one class per image"
            raise InputError(
                f"the output of the model {model.path} is {output}, which needs data with {wanted}; those of "
                f"{config.data} have {'several findings' if dataset.multi_label else 'one class per image'}: give "
                "--output, or other data"
            )
    compared = [metric for metric in metrics if "variants" in METRICS[metric].needs]
    if dataset.multi_label and compared:
        raise InputError(f"the metric {compared[0]} compares models by one class per image; leave it out for findings")
    mosaics = [metric for metric in metrics if METRICS[metric].family == MOSAIC]
    if dataset.multi_label and mosaics:
        raise InputError(f"the metric {mosaics[0]} needs classes that exclude each other; leave it out for findings")


def _for_black_boxes(
    config: BenchConfig, methods: tuple[str, ...], models: Sequence[Model], notes: list[str]
) -> tuple[str, ...]:
    """The methods without those of the default list that a black box does not allow; others like it are refused."""
    boxes = [model for model in models if model.classifier.network.host]
    refused = [
        name for name in methods if name != ORACLE and boxes and not METHODS[name].allowed_by(boxes[0].classifier)
    ]
    if not refused or _names.normal(config.methods[0]) == "all":
        return methods
    if config.methods != BenchConfig().methods:
        raise InputError(f"model {boxes[0].path}: {METHODS[refused[0]].refusal(boxes[0].classifier)}")
    kept = tuple(name for name in methods if name not in refused)
    added = ("rise",) if "rise" not in kept else ()
    notes.append(
        f"Model {boxes[0].name} is a black box: {', '.join(refused)} need its gradients or layers and were left out"
        + (", rise was added." if added else ".")
    )
    return (*added, *kept)


def _check_target(config: BenchConfig, models: Sequence[Model]) -> None:
    if config.target in ("label", "predicted"):
        return
    for model in models:
        if config.target not in model.classifier.classes:
            known = ["label", "predicted", *model.classifier.classes]
            raise InputError(
                f"--target is {config.target!r}, which is not a class of model {model.path}: "
                f"{_names.closest(config.target, known)}"
            )


def _with_masks(
    config: BenchConfig, dataset: Dataset, methods: tuple[str, ...], metrics: tuple[str, ...], notes: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Adds the oracle where there are lesion masks; drops default metrics whose masks are not there, refuses others."""
    for metric in metrics:
        if "variants" in METRICS[metric].needs and len(config.model) < 2:
            raise InputError(f"the metric {metric} compares the maps of several models: give two or more with --model")
    optional = config.metrics in (DEFAULT_METRICS, *study_metrics())
    needing = [metric for metric in metrics if not set(METRICS[metric].roles) <= set(dataset.roles)]
    explained = tuple(method for method in methods if method != ORACLE)
    try:
        dataset.require_mask_role("lesion")
        lesions = ""
    except ValueError as error:
        lesions = str(error)
    if lesions and ORACLE in methods:
        raise InputError(f"the method {ORACLE} cannot be scored: {lesions}")
    if needing and not optional:
        if lesions and METRICS[needing[0]].roles == ("lesion",):
            raise InputError(f"the metric {needing[0]} cannot be computed: {lesions}")
        wanted, there = " and ".join(METRICS[needing[0]].roles), " and ".join(dataset.roles) or "none"
        raise InputError(f"the metric {needing[0]} needs {wanted} masks; the data have {there}: leave it out")
    if needing:
        notes.append(f"Localization was not scored: {lesions}{_unused_masks(dataset)}.")
    if not lesions and (config.oracle or ORACLE in methods):
        explained = (*explained, ORACLE)
    return explained, tuple(metric for metric in metrics if metric not in needing)


def _unused_masks(dataset: Dataset) -> str:
    """The masks that were left out, with the reason: that there are none may be a matter of names."""
    left = {} if dataset.found is None else dataset.found.left_out
    parts = [
        f"; {one.count} {'file' if one.count == 1 else 'files'}, such as {one.examples[0]}, left out: {reason}"
        for reason, one in left.items()
        if " mask" in reason and one.examples
    ]
    return "".join(parts)


def _refuse_unread_masks(dataset: Dataset, looked: Readable, metrics: Sequence[str], *, named: bool) -> None:
    """Refuses metrics that would have no value at all, because nobody said what the values of the masks mean.

    Metrics that were named are refused too where no mask can be read.
    """
    why = next((note for note in looked.notes if "--mask-values" in note), None)
    if why is None and named:
        why = next((note for note in looked.notes if "a mask cannot be read" in note), None)
    wanted = {role: metric for metric in metrics for role in METRICS[metric].roles}
    for role, metric in wanted.items() if why else ():
        stored = sum(
            role in [one or dataset.mask_role for one in dataset.cases[case].source.roles] for case in looked.cases
        )
        if stored and not looked.roles[role]:
            raise InputError(
                f"the metric {metric} needs {role} masks, and none of those of {stored} images could be read ({why}), "
                "or leave the metric out"
            )


def _note_sizes(dataset: Dataset, cases: Sequence[int], models: Sequence[Model], notes: list[str]) -> None:
    shape = dataset.cases[cases[0]].source.read(masks=False).image.shape
    for model in models:
        wanted = tuple(model.classifier.input_shape)
        if tuple(shape) != wanted:
            stretched = abs(math.log(shape[0] * wanted[1] / (shape[1] * wanted[0]))) > 0.02
            notes.append(
                f"Images (the first is {_shape(shape)}) were brought to the {_shape(wanted)} that model {model.name} "
                f"takes{', which changes their proportions' if stretched else ''}."
            )


def _shape(shape: Sequence[int]) -> str:
    return f"{shape[0]} × {shape[1]} {'grey' if shape[2] == 1 else 'RGB'}"


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
