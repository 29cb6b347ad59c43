"""The work of `xaijax evaluate`: one classifier is scored on labelled images, two are compared.

    xaijax evaluate --data brain_mri/ --model runs/brain --out runs/brain_scores
    xaijax evaluate --data brain_mri/ --model runs/brain runs/fine --out runs/both

The out folder holds `run.json` (configuration, versions), `evaluation.json` (accuracy, macro-F1, micro-F1, precision,
recall and F1 of each class, confusion matrix, reliability; for two classifiers their comparison), `predictions.csv`
(one line per image) and the figures `confusion.png`, `reliability.png` and `embedding.png`, numbered for two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax._errors import InputError
from xaijax._runs import (
    classifier_figures,
    command_line,
    data,
    epochs,
    folder,
    models,
    options,
    progress,
    provenance,
    tables,
)
from xaijax._runs.models import Model
from xaijax._runs.training import Images
from xaijax.classifier import Classifier
from xaijax.data import Dataset
from xaijax.evaluate.config import EvaluateConfig
from xaijax.training import (
    bootstrap_difference,
    compare_findings,
    log_softmax,
    logits,
    mcnemar,
    scores_of_logits,
    two_columns,
)

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class EvaluateResult:
    """What `run` gives: the out folder, the scores of each classifier, and the comparison of two or None."""

    out: Path
    metrics: tuple[dict[str, Any], ...]
    comparison: dict[str, Any] | None


def run(config: EvaluateConfig, *, console: "Console | None" = None) -> EvaluateResult:
    """The command `xaijax evaluate`.

    Args:
        config: what to score on what, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder, the scores and the comparison.

    Raises:
        InputError: for an out folder that is not empty, no classifier or more than two, classes that one does not know,
            or one that does not name its validation images where they are wanted.
        FileNotFoundError, NotADirectoryError: for data or classifiers that are not there.
        ValueError: for data of one class.
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    config = options.check(config)
    options.use_device(config)
    out = config.out.expanduser()
    if len(config.model) not in (1, 2):
        raise InputError(f"--model takes one classifier, or two to compare; got {len(config.model)}")
    folder.check_free(out, "evaluation", resume=None)
    assumed: list[str] = []
    classifiers = models.load(config.model, config, config.data, assumed)
    dataset = data.open_data(config, size=classifiers[0].input_shape[0], findings=True)
    _check_outputs(config, classifiers, dataset)
    chosen, notes = models.with_classes(config.model, classifiers, dataset, config.data)
    drawn = data.held_out(config, config.model, dataset)
    which = drawn.which
    positions = data.counted(config, dataset, drawn.positions)
    images = Images.read(dataset, np.asarray(positions), classifiers[0].input_shape)
    found = data.found_lines(dataset)
    lines = (*assumed, *found, *notes, *drawn.notes, f"{len(positions)} {which} of {dataset.name}")
    for line in (*lines, *data.note_lines(images.notes)):
        progress.say(console, line)
    epochs.say_skipped(console, images.skipped)
    with folder.RunFolder(out, "evaluation", resume=None) as place:
        place.describe(
            {
                "command": command_line.repeat("evaluate", config),
                "config": command_line.plain(config),
                "models": [model.describe() for model in chosen],
                "data": data.described(dataset, images.notes) | {"which": which, "images": images.ids},
            }
            | provenance.describe()
        )
        scored, predictions = _score(config, chosen, images, which, out, console)
        comparison = _compare(config, images, predictions) if len(chosen) == 2 else None
        if comparison is not None:
            _say_comparison(console, comparison)
        folder.write_text(out / "predictions.csv", _table(images, [model.name for model in chosen], predictions))
        folder.write_json(
            out / "evaluation.json",
            {
                "command": command_line.repeat("evaluate", config),
                "data": {"name": dataset.name, "which": which, "images": len(images)},
                "skipped": [list(item) for item in images.skipped],
                "models": scored,
                "comparison": comparison,
            },
        )
    progress.say(console, f"written to {out}")
    return EvaluateResult(out, tuple(scored), comparison)


def _check_outputs(config: EvaluateConfig, classifiers: Sequence[Classifier], dataset: Dataset) -> None:
    """Refuses labels that the classifiers' outputs are not about."""
    for path, classifier in zip(config.model, classifiers, strict=True):
        if classifier.output == "regression":
            raise InputError(f"the model {path} predicts numbers; data sets have classes or findings to score against")
        if (classifier.output == "sigmoid") != dataset.multi_label:
            wanted = "several findings to an image" if classifier.output == "sigmoid" else "one class per image"
            raise InputError(
                f"the output of the model {path} is {classifier.output}, which needs data with {wanted}; those of "
                f"{config.data} have {'several findings' if dataset.multi_label else 'one class per image'}: give "
                "--output, or other data"
            )


def _score(
    config: EvaluateConfig, chosen: Sequence[Model], images: Images, which: str, out: Path, console: "Console"
) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Scores and figures of every classifier, and its probabilities `[N, K]` in the order of the data's classes."""
    scored: list[dict[str, Any]] = []
    predictions: list[np.ndarray] = []
    for number, model in enumerate(chosen, 1):
        classifier = model.classifier
        if classifier.input_shape != images.shape:
            images = Images.read(images.dataset, images.indices, classifier.input_shape)
        own = models.labels_of(model, images.labels)
        raw = logits(classifier, images, batch_size=config.batch_size)
        given: dict[str, Any] = {}
        if classifier.output == "sigmoid":
            given = {"thresholds": classifier.thresholds, "groups": images.groups, "seed": config.seed}
        metrics = scores_of_logits(raw, own, classifier.classes, output=classifier.output, **given)
        raw = two_columns(raw, classifier.output)
        suffix = f"_{number}" if len(chosen) > 1 else ""
        title = f"{model.name} on {images.dataset.name}, {which}"
        classifier_figures.write_figures(out, classifier, images, own, raw.argmax(axis=1), metrics, title, suffix)
        epochs.say_scores(console, metrics, title)
        chances = 1 / (1 + np.exp(-raw)) if classifier.output == "sigmoid" else np.exp(log_softmax(raw))
        predictions.append(_in_order(chances, model.class_index))
        scored.append({"model": model.path, "name": model.name} | metrics)
    return scored, predictions


def _in_order(probabilities: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Columns in the order of the data's classes; classes that the data do not have come last."""
    rest = [column for column in range(probabilities.shape[1]) if column not in order]
    return probabilities[:, [*order, *rest]]


def _compare(config: EvaluateConfig, images: Images, predictions: Sequence[np.ndarray]) -> dict[str, Any]:
    groups = [images.dataset.cases[index].group for index in images.indices]
    by_patient = all(group is not None for group in groups)
    if images.dataset.multi_label:
        known = len(images.dataset.classes)
        return {"difference": "second minus first", "resampled": "patients" if by_patient else "images"} | (
            compare_findings(
                predictions[0][:, :known],
                predictions[1][:, :known],
                images.labels,
                images.dataset.classes,
                groups=groups if by_patient else None,
                seed=config.seed,
            )
        )
    first, second = (probabilities.argmax(axis=1) for probabilities in predictions)
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


def _say_comparison(console: "Console", comparison: dict[str, Any]) -> None:
    if "per_finding" in comparison:
        _say_findings(console, comparison)
        return
    for name, what in (("accuracy", "accuracy"), ("macro_f1", "macro-F1")):
        row = comparison["bootstrap"][name]
        progress.say(
            console,
            f"second minus first, {what}: {row['difference']:+.3f} (95 % interval {row['low']:+.3f} to "
            f"{row['high']:+.3f})",
        )
    test = comparison["mcnemar"]
    progress.say(
        console,
        f"only the first is right on {test['only_first_right']} images, only the second on "
        f"{test['only_second_right']}; McNemar p = {test['p_value']:.3g}",
    )


def _say_findings(console: "Console", comparison: dict[str, Any]) -> None:
    rows = []
    every = {"mean over findings": {name: comparison[f"macro_{name}"] for name in ("auroc", "auprc")}}
    for finding, one in (comparison["per_finding"] | every).items():
        row: dict[str, Any] = {"finding": finding}
        for name in ("auroc", "auprc"):
            row[name.upper()] = one[name]["difference"]
            low, high = one[name]["low"], one[name]["high"]
            row[f"{name.upper()} 95 %"] = "–" if low is None else f"{low:+.3f} to {high:+.3f}"
        rows.append(row)
    tables.print_rows(console, rows, title=f"second minus first, resampling {comparison['resampled']}")


def _table(images: Images, names: Sequence[str], predictions: Sequence[np.ndarray]) -> str:
    """One line per image: its id, its class, and for each classifier the predicted class and the probabilities."""
    dataset: Dataset = images.dataset
    count = len(dataset.classes)
    prefixes = [f"{name}: " for name in names] if len(names) > 1 else [""]
    heads = ["id", "class", *(f"{prefix}{what}" for prefix in prefixes for what in ("predicted", *dataset.classes))]
    rows: list[dict[str, str]] = []
    if dataset.multi_label:
        return _findings_table(images, prefixes, predictions)
    for row, (name, label) in enumerate(zip(images.ids, images.labels, strict=True)):
        cells = [name, dataset.classes[label]]
        for probabilities in predictions:
            best = int(probabilities[row].argmax())
            cells.append(dataset.classes[best] if best < count else "another class")
            cells += [f"{value:.6f}" for value in probabilities[row, :count]]
        # By position: two headings may agree, such as those of a class that is called "class".
        rows.append({str(place): cell for place, cell in enumerate(cells)})
    return tables.to_csv(rows, {str(place): head for place, head in enumerate(heads)})


def _findings_table(images: Images, prefixes: Sequence[str], predictions: Sequence[np.ndarray]) -> str:
    """One line per image: its id, and of each finding whether it is there (nothing: not known) and its probability for
    each classifier."""
    names = images.dataset.classes
    rows = []
    for row, name in enumerate(images.ids):
        cells: dict[str, Any] = {"id": name}
        for k, finding in enumerate(names):
            there = images.labels[row, k]
            cells[finding] = "" if np.isnan(there) else str(int(there))
            for prefix, chances in zip(prefixes, predictions, strict=True):
                cells[f"{prefix}{finding}: probability"] = f"{chances[row, k]:.6f}"
        rows.append(cells)
    return tables.to_csv(rows)
