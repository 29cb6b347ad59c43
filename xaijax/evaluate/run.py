"""Evaluation: `xaijax evaluate` (`run_evaluate`) scores one checkpoint on labelled images, or compares two.

    xaijax evaluate --data brain_mri/ --model runs/brain --out runs/brain_scores
    xaijax evaluate --data brain_mri/ --model runs/brain runs/fine --out runs/both

The out folder holds `evaluation.json` (accuracy, macro-F1, micro-F1, precision, recall and F1 of each class, confusion
matrix, calibration; for two checkpoints their comparison), `predictions.csv` (one line per image) and the figures
`confusion.png`, `calibration.png` and `embedding.png`, numbered where there are two checkpoints.
"""

import csv
import io
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

from xaijax import __version__, models
from xaijax._runs import classifier_figures
from xaijax.bench.inputs import match_classes, training_of, validation_of
from xaijax.data import Dataset
from xaijax.training import folder, opening, printing
from xaijax.training.arguments import arguments, plain
from xaijax.training.comparison import bootstrap_difference, mcnemar
from xaijax.training.evaluation import evaluate_logits, log_softmax, logits
from xaijax.training.images import Images

__all__ = ["EvaluateConfig", "EvaluateResult", "run_evaluate"]


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a trained classifier on labelled images, or compare two.

    Args:
        data: a folder of images (class folders or labels.csv), or phantoms, phantoms:brain_mri,
            phantoms:chest_xray, phantoms:lung_ct, phantoms:dermoscopy.
        model: one checkpoint or two to compare: folders that xaijax train wrote, files of weights,
            or builtin.
        out: folder to write; it must be empty.
        split: which images: validation, those that the trainings kept apart; all; auto takes the validation images
            where a checkpoint names them.
        transpose: swap rows and columns of the images.
        images: phantoms only: number of images.
        lesions: phantoms only: lesions in each image of a class that has any; default: 1.
        data_seed: seed of phantoms and of planted cues.
        cues: plant these in the images, such as text or ruler:glioma (xaijax.data.cues).
        correlation: with cues: share of the images of every class on which a cue tells the truth; default: 0.95.
        covered: cover the artefacts of the images: planted cues, or those with clean files or masks.
        seed: seed of the bootstrap.
    """

    data: str
    model: tuple[Path, ...]
    out: Path
    split: Literal["auto", "validation", "all"] = "auto"
    transpose: bool = False
    images: int | None = None
    lesions: int | None = None
    data_seed: int | None = None
    cues: tuple[str, ...] = ()
    correlation: float | None = None
    covered: bool = False
    seed: int = 0

    def command(self) -> str:
        """The command that repeats this evaluation."""
        given = ["--data", self.data, "--model", *map(str, self.model), "--out", str(self.out)]
        return shlex.join(["xaijax", "evaluate", *given, *arguments(self, skip=("data", "model", "out"))])


@dataclass(frozen=True)
class EvaluateResult:
    """What `run_evaluate` gives: the out folder, the scores of each checkpoint, and the comparison of two or None."""

    out: Path
    metrics: tuple[dict[str, Any], ...]
    comparison: dict[str, Any] | None


def run_evaluate(config: EvaluateConfig, *, console: Console | None = None) -> EvaluateResult:
    """The command `xaijax evaluate`.

    Args:
        config: what to score on what, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder, the scores and the comparison.

    Raises:
        FileExistsError: if the out folder is not empty.
        FileNotFoundError, NotADirectoryError: for data or checkpoints that are not there.
        ValueError: for no checkpoint or more than two, data of one class or of classes that a checkpoint does not
            know, or a checkpoint that does not name its validation images where they are asked for.
    """
    console = console or Console(stderr=True)
    out = config.out.expanduser()
    if len(config.model) not in (1, 2):
        raise ValueError(f"model must be one checkpoint or two; got {len(config.model)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not empty; give another folder")
    classifiers = [models.load(path) for path in config.model]
    dataset = opening.open_data(config, classifiers[0].input_shape[0])
    dataset.require_classes()
    orders = [
        match_classes(dataset.classes, classifier.classes, f"model {path}", f"the data {config.data}")
        for path, classifier in zip(config.model, classifiers, strict=True)
    ]
    chosen, which = _chosen(config, dataset)
    printing.say(console, f"{len(chosen)} {which} of {dataset.name}")
    out.mkdir(parents=True, exist_ok=True)
    predictions: list[np.ndarray] = []
    scored: list[dict[str, Any]] = []
    names = _names(config.model)
    found = Images.read(dataset, np.asarray(chosen), classifiers[0].input_shape)
    skipped = found.skipped
    printing.skipped(console, skipped)
    for number, (name, classifier, order) in enumerate(zip(names, classifiers, orders, strict=True), 1):
        if classifier.input_shape != found.shape:
            found = Images.read(dataset, found.indices, classifier.input_shape)
        own = np.asarray(order)[found.labels]  # the labels, counted in the classes of this checkpoint
        raw = logits(classifier, found)
        metrics = evaluate_logits(raw, own, classifier.classes)
        suffix = f"_{number}" if len(names) > 1 else ""
        title = f"{name} on {dataset.name}, {which}"
        classifier_figures.write_figures(out, classifier, found, own, raw.argmax(axis=1), metrics, title, suffix)
        printing.scores(console, metrics, title)
        predictions.append(_in_order(np.exp(log_softmax(raw)), order))
        scored.append({"model": str(config.model[number - 1]), "name": name} | metrics)
    comparison = _compare(config, dataset, found, predictions) if len(names) == 2 else None
    if comparison is not None:
        _print_comparison(console, comparison)
    folder.write(out / "predictions.csv", _table(dataset, found, names, predictions))
    folder.write_json(
        out / "evaluation.json",
        {
            "command": config.command(),
            "config": plain(config),
            "xaijax": __version__,
            "data": {"name": dataset.name, "which": which, "images": len(found)},
            "skipped": [list(item) for item in skipped],
            "models": scored,
            "comparison": comparison,
        },
    )
    printing.written(console, out)
    return EvaluateResult(out, tuple(scored), comparison)


def _chosen(config: EvaluateConfig, dataset: Dataset) -> tuple[list[int], str]:
    """Positions of the images to score, and what to call them."""
    everything = list(range(len(dataset)))
    if config.split == "all":
        return everything, "images"
    known: list[set[int]] = []
    for path in config.model:
        trained = training_of(str(path))
        options = trained.get("data", {}).get("options", {})
        # Generated images of another seed have the same names.
        same = "source" in options or options == dict(dataset.options)
        inside = validation_of(str(path), dataset) if same else None
        if inside is None:
            if config.split == "validation":
                raise ValueError(f"model {path} does not name its validation images of {config.data}: use --split all")
            continue
        turned = bool(trained.get("config", {}).get("transpose", config.transpose))
        if turned != config.transpose:
            raise ValueError(
                f"model {path} was trained with{'' if turned else 'out'} --transpose and this evaluation is "
                f"with{'out' if turned else ''} it: give {'--transpose' if turned else 'no --transpose'}"
            )
        known.append(set(inside))
    if not known:
        return everything, "images"
    left = sorted(set.intersection(*known))
    if not left:
        raise ValueError("no image was left out of both trainings: train them with the same --seed, or use --split all")
    return left, "validation images"


def _names(paths: tuple[Path, ...]) -> list[str]:
    """Short names of the checkpoints, different ones."""
    names = [path.parent.name if path.name == "model.safetensors" else path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _in_order(probabilities: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """Columns in the order of the data's classes; classes that the data do not have come last."""
    rest = [column for column in range(probabilities.shape[1]) if column not in order]
    return probabilities[:, [*order, *rest]]


def _compare(config: EvaluateConfig, dataset: Dataset, images: Images, predictions: list[np.ndarray]) -> dict[str, Any]:
    first, second = (probabilities.argmax(axis=1) for probabilities in predictions)
    groups = [dataset.cases[index].group for index in images.indices]
    by_patient = all(group is not None for group in groups)
    return {
        "difference": "second minus first",
        "resampled": "patients" if by_patient else "images",
        "mcnemar": mcnemar(images.labels, first, second),
        "bootstrap": bootstrap_difference(
            images.labels,
            first,
            second,
            max(probabilities.shape[1] for probabilities in predictions),
            groups=groups if by_patient else None,
            seed=config.seed,
        ),
    }


def _print_comparison(console: Console, comparison: dict[str, Any]) -> None:
    for name, what in (("accuracy", "accuracy"), ("macro_f1", "macro-F1")):
        row = comparison["bootstrap"][name]
        printing.say(
            console,
            f"second minus first, {what}: {row['difference']:+.3f} (95 % interval {row['low']:+.3f} to "
            f"{row['high']:+.3f})",
        )
    test = comparison["mcnemar"]
    printing.say(
        console,
        f"only the first is right on {test['only_first_right']} images, only the second on "
        f"{test['only_second_right']}; McNemar p = {test['p_value']:.3g}",
    )


def _table(dataset: Dataset, images: Images, names: list[str], predictions: list[np.ndarray]) -> str:
    """One line per image: its id, its class, and for each checkpoint the predicted class and the probabilities."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    prefixes = [f"{name}: " for name in names] if len(names) > 1 else [""]
    heads = [f"{prefix}{what}" for prefix in prefixes for what in ("predicted", *dataset.classes)]
    writer.writerow(["id", "class", *heads])
    count = len(dataset.classes)
    for row, (name, label) in enumerate(zip(images.ids, images.labels, strict=True)):
        cells: list[str] = []
        for probabilities in predictions:
            best = int(probabilities[row].argmax())
            cells.append(dataset.classes[best] if best < count else "another class")
            cells += [f"{value:.6f}" for value in probabilities[row, :count]]
        writer.writerow([name, dataset.classes[label], *cells])
    return text.getvalue()
