"""Figures of a classifier: its training, its confusion matrix, the reliability of its probabilities, its features."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def course(log: Sequence[Mapping[str, Any]], best_epoch: int, *, title: str = "") -> "Figure":
    """Loss, accuracy and macro-F1 over the epochs.

    Args:
        log: one mapping per epoch with `epoch`, `train_loss`, `validation_loss`, `validation_accuracy` and
            `validation_macro_f1`, as in `log.jsonl` of a training.
        best_epoch: the epoch whose weights were kept.
        title: above the figure.

    Returns:
        A figure 9 inches wide.

    Example:
        >>> names = ("train_loss", "validation_loss", "validation_accuracy", "validation_macro_f1")
        >>> figure = course([{"epoch": epoch, **dict.fromkeys(names, 0.5)} for epoch in (1, 2)], 2)
        >>> [axes.get_title() for axes in figure.axes]
        ['Loss', 'Validation']
    """
    epochs = [row["epoch"] for row in log]
    figure = new_figure(9, 3.6)
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [row["train_loss"] for row in log], label="training (augmented)")
    left.plot(epochs, [row["validation_loss"] for row in log], label="validation")
    left.set(xlabel="epoch", ylabel="cross-entropy [nats]", title="Loss")
    right.plot(epochs, [row["validation_accuracy"] for row in log], label="accuracy")
    right.plot(epochs, [row["validation_macro_f1"] for row in log], label="macro-F1")
    right.set(xlabel="epoch", ylabel="share", ylim=(0, 1.02), title="Validation")
    for axes in (left, right):
        axes.axvline(best_epoch, color="0.6", linestyle=":", label="weights kept")
        axes.legend(frameon=False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def confusion(counts: Any, classes: Sequence[str], *, title: str = "") -> "Figure":
    """The confusion matrix with its counts; shades are shares of the true class.

    Args:
        counts: `[K, K]` int, rows are true classes and columns predicted ones.
        classes: K names.
        title: above the figure.

    Returns:
        A figure that grows with the classes.

    Raises:
        ValueError: for counts that are not `[K, K]`.

    Example:
        >>> confusion([[8, 2], [1, 9]], ["benign", "malignant"]).axes[0].get_ylabel()
        'true class'
    """
    counts = np.asarray(counts)
    names = list(classes)
    if counts.shape != (len(names), len(names)):
        raise ValueError(f"counts must be [{len(names)}, {len(names)}] for {len(names)} classes; got {counts.shape}")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 3.2 + 0.7 * len(names)
    figure = new_figure(side + 1, side)
    axes = figure.subplots()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, label="share of the true class")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(title, fontsize="medium", wrap=True)
    for row, column in np.ndindex(counts.shape):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)
    return figure


def reliability(found: Mapping[str, Any], *, title: str = "") -> "Figure":
    """Reliability diagram: accuracy over the probability of the predicted class, and the images in each bin.

    Args:
        found: `ece`, the expected calibration error, and `bins`, mappings with `low` (the lower edge), `images`,
            `accuracy` and `confidence` (the mean probability), in order; bins have equal width.
        title: above the figure.

    Returns:
        A figure 4.6 inches wide.

    Example:
        >>> bins = [{"low": 0.0, "images": 0, "accuracy": None, "confidence": None},
        ...         {"low": 0.5, "images": 10, "accuracy": 0.8, "confidence": 0.9}]
        >>> reliability({"ece": 0.1, "bins": bins}).axes[1].get_ylabel()
        'images'
    """
    rows = [row for row in found["bins"] if row["images"]]
    figure = new_figure(4.6, 5.4)
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    upper.plot([0, 1], [0, 1], color="0.6", linestyle=":", label="calibrated")
    upper.plot(
        [row["confidence"] for row in rows],
        [row["accuracy"] for row in rows],
        marker="o",
        label=f"bins, ECE {found['ece']:.3f}",
    )
    upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(-0.02, 1.02))
    upper.set_title(title, fontsize="medium", wrap=True)
    upper.legend(frameon=False, loc="upper left")
    edges = [row["low"] for row in found["bins"]]
    lower.bar(edges, [row["images"] for row in found["bins"]], width=1 / len(edges), align="edge", edgecolor="white")
    lower.set(xlabel="probability of the predicted class", ylabel="images")
    return figure


def embedding(
    coordinates: Any, labels: Any, predicted: Any, classes: Sequence[str], *, shares: Any, title: str = ""
) -> "Figure":
    """Images by two principal components of their features; a cross where the predicted class is wrong.

    Args:
        coordinates: `[N, 2]`, the principal components.
        labels: `[N]` int, true classes: the colours.
        predicted: `[N]` int, predicted classes.
        classes: K names.
        shares: `[2]`, the share of the variance of each component.
        title: above the figure.

    Returns:
        A figure 6.2 inches wide.

    Example:
        >>> figure = embedding([[0, 0], [1, 1]], [0, 1], [0, 0], ["a", "b"], shares=[0.7, 0.2])
        >>> figure.axes[0].get_xlabel()
        'first principal component (70% of the variance)'
    """
    from matplotlib import colormaps

    coordinates, labels, predicted = np.asarray(coordinates), np.asarray(labels), np.asarray(predicted)
    figure = new_figure(6.2, 4.8)
    axes = figure.subplots()
    colors = colormaps["tab10" if len(classes) <= 10 else "turbo"]
    wrong = predicted != labels
    for index, name in enumerate(classes):
        color = colors(index if len(classes) <= 10 else index / (len(classes) - 1))
        mine = labels == index
        right, missed = coordinates[mine & ~wrong], coordinates[mine & wrong]
        axes.scatter(right[:, 0], right[:, 1], s=22, color=[color], alpha=0.75, label=name)
        axes.scatter(missed[:, 0], missed[:, 1], s=40, color=[color], marker="x")
    axes.scatter([], [], s=40, color="0.3", marker="x", label="predicted wrongly")
    axes.set(
        xlabel=f"first principal component ({shares[0]:.0%} of the variance)",
        ylabel=f"second ({shares[1]:.0%})",
    )
    axes.set_title(title, fontsize="medium", wrap=True)
    figure.legend(frameon=False, loc="outside right upper")
    return figure
