"""What a model's predictions say against the way it was opened: its preprocessing, or the order of its classes.

Wrong pixels or a wrong order of classes raise no error: every score is then of a model that nobody meant.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._batches import padded
from xaijax._runs.models import Model, labels_of
from xaijax.data import Batch
from xaijax.models.black_box import is_script

ONE_CLASS = 8
"""Images from which on one class for all of them is said."""
OTHERS = 4
"""Of them images of other classes, at least: one class for nearly all images of one class is no surprise."""
NEARLY = 0.95
ENOUGH = 12
"""Images from which on an accuracy is compared with chance."""
ORDERED, GAIN = 0.8, 0.4  # accuracy with another order of the classes, and what it must add
NAMED = 12  # classes that a sentence lists, at most

Pairs = Mapping[tuple[str, str], int]
"""(label, predicted class) -> images."""


def right(pairs: Pairs) -> tuple[int, int]:
    """How many images are predicted right, and how many there are.

    Example:
        >>> right({("a", "a"): 3, ("b", "a"): 1})
        (3, 4)
    """
    return sum(count for (label, guess), count in pairs.items() if label == guess), sum(pairs.values())


def accuracy_line(name: str, hits: int, total: int, of: str = "images") -> str:
    """One line on the accuracy of a model.

    Example:
        >>> accuracy_line("ultra", 11, 12)
        'model ultra: 11 of 12 images predicted right'
    """
    return f"model {name}: {hits} of {total} {of} predicted right"


def pairs_of(model: Model, batch: Batch, size: int) -> Counter[tuple[str, str]]:
    """Labels and predictions of some images; none where the classes do not exclude each other.

    Args:
        model: of a run.
        batch: images as it takes them, with labels.
        size: images in one call.
    """
    if model.classifier.output not in ("softmax", "binary"):
        return Counter()
    names = model.classifier.classes
    labels = [names[label] for label in labels_of(model, batch.labels)]
    size = min(size, len(batch))
    parts = [np.asarray(batch.images[start : start + size]) for start in range(0, len(batch), size)]
    guesses = [np.asarray(model.classifier.predict(padded(one, size)))[: len(one)].argmax(axis=1) for one in parts]
    return Counter(zip(labels, [names[guess] for guess in np.concatenate(guesses)], strict=True))


def lines(name: str, pairs: Pairs, said: Sequence[str]) -> list[str]:
    """The accuracy, and a line with "!" for each of its `cautions`; nothing where no label is known."""
    return [accuracy_line(name, *right(pairs)), *(f"! {sentence(line)}" for line in said)] if pairs else []


def sentence(line: str) -> str:
    """A caution as a sentence.

    Example:
        >>> sentence("model m is wrong")
        'Model m is wrong.'
    """
    return f"{line[:1].upper()}{line[1:]}."


def cautions(name: str, pairs: Pairs, classes: Sequence[str], path: str = "") -> list[str]:
    """What is suspicious about the predictions of a model whose classes exclude each other.

    Args:
        name: of the model.
        pairs: (label, predicted class) -> images whose label is known.
        classes: of the model, in the order of its outputs.
        path: where the model came from; "" for predictions that were handed over.

    Returns:
        Sentences; none where nothing is suspicious, or there are too few images to say.

    Example:
        >>> cautions("m", {("a", "a"): 4, ("b", "a"): 8}, ["a", "b"])[0].partition(":")[0]
        'model m predicts a for all 12 images (4 of them are)'
        >>> cautions("m", {("a", "b"): 6, ("b", "a"): 6}, ["a", "b"])[0].partition(":")[0]
        'model m predicts 0 of 12 images right, chance would be 6'
    """
    found = _one_class(name, pairs, path)
    if found:
        return [found]
    hits, total = right(pairs)
    if total < ENOUGH:
        return []
    order, ordered = _best_order(pairs, classes)
    better = ordered / total >= ORDERED and (ordered - hits) / total >= GAIN
    chance = _chance(pairs, classes)
    if not better and hits > total * chance:
        return []
    text = f"model {name} predicts {hits} of {total} images right, chance would be {total * chance:.0f}"
    if better:
        return [
            f"{text}: with the classes in the order {', '.join(order)} {ordered} of {total} would be right. "
            f"They are taken in the order {', '.join(classes)}: {_how_to_name(order, path)}"
        ]
    return [f"{text}: {_doubt(path, ', or its classes have another order')}"]


def _one_class(name: str, pairs: Pairs, path: str) -> str:
    """That nearly all images get one class, those of other classes too; empty where they do not."""
    guesses: Counter[str] = Counter()
    for (_, guess), count in pairs.items():
        guesses[guess] += count
    total = sum(guesses.values())
    if total < ONE_CLASS:
        return ""
    ((guess, many),) = guesses.most_common(1)
    own = sum(count for (label, _), count in pairs.items() if label == guess)
    missed = many - pairs.get((guess, guess), 0)
    others = total - own
    labels = {label for (label, _), count in pairs.items() if count}
    if len(labels) < 2 or others < OTHERS or many < NEARLY * total or missed < NEARLY * others:
        return ""
    words = f"all {total} images" if many == total else f"{many} of {total} images"
    return f"model {name} predicts {guess} for {words} ({own} of them are): {_doubt(path)}"


def _doubt(path: str, more: str = "") -> str:
    if path and Path(path).is_dir():  # where a training or `models.save` keeps preprocessing and classes
        return "it may have learned too little, or the images are not what it was trained on"
    option = " (--preprocess)" if path else ""
    return f"its preprocessing may be another{option}, or the images are not what it was trained on{more}"


def _chance(pairs: Pairs, classes: Sequence[str]) -> float:
    """The accuracy of a guess among the classes, or that of the same predictions in random order where it is larger."""
    labels: Counter[str] = Counter()
    guesses: Counter[str] = Counter()
    for (label, guess), count in pairs.items():
        labels[label] += count
        guesses[guess] += count
    one = 1 / max(len(classes), len(labels), 2)
    if labels.total() - max(labels.values()) < OTHERS:
        return one  # predictions of one class in random order are the same
    shuffled = sum(labels[name] * guesses[name] for name in labels) / labels.total() ** 2
    return max(one, shuffled)


def _best_order(pairs: Pairs, classes: Sequence[str]) -> tuple[list[str], int]:
    """The order of the classes with which most images are right, and how many; that of now where no label tells."""
    # Needed here alone, and not for free: scipy.optimize takes long to import.
    from scipy.optimize import linear_sum_assignment

    labels = {label for (label, _), count in pairs.items() if count}
    # With a class that no image is of, two of its places could be told apart by nothing.
    known = labels == set(classes) and {guess for _, guess in pairs} <= labels
    if len(classes) > NAMED or not known:
        return list(classes), 0
    place = {name: number for number, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for (label, guess), count in pairs.items():
        counts[place[guess], place[label]] += count
    # Of two orders that are as good that with more of the names where they are.
    outputs, names = linear_sum_assignment(counts + 0.5 / len(classes) * np.eye(len(classes)), maximize=True)
    return [classes[number] for number in names], int(counts[outputs, names].sum())


def _how_to_name(order: Sequence[str], path: str) -> str:
    """How the order of classes is stated, by where the model came from."""
    listed = f"[{', '.join(repr(name) for name in order)}]"
    if not path:
        return "give its predictions in the order of its classes"
    if is_script(path):
        return f"write classes = {listed} into {path.rpartition(':')[0]}"
    if not Path(path).suffix:  # a checkpoint of xaijax, whose file has their names
        return (
            "its file names them so; where these names are wrong, keep dataclasses.replace(models.load(...), "
            f"classes={listed}) with models.save"
        )
    if Path(path).suffix.lower() == ".onnx":
        return (
            f"name them in Python with models.load(..., classes={listed}), for the command line in a Python file with "
            "these classes and a function that calls the model (docs/black_boxes.md)"
        )
    return (
        f"name them in Python with models.load(..., classes={listed}), and keep the model with models.save for the "
        "command line"
    )


def of_run(run: Mapping[str, Any], answers: Mapping[str, Pairs]) -> list[str]:
    """The cautions on the models of a run.

    Args:
        run: the contents of run.json.
        answers: model -> its labels and predictions.
    """
    found = []
    for model in run["models"]:
        pairs = answers.get(model["name"])
        if pairs and model.get("output", "softmax") in ("softmax", "binary"):
            said = cautions(model["name"], pairs, model["classes"], model.get("path", ""))
            found += [sentence(line) for line in said]
    return found
