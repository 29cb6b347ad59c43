"""Figures of a classifier: its training, its confusion matrix, the reliability of its probabilities, its features."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._style import GREY, PALETTE, SETTINGS, legend_text, letters_on, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 14.0  # inches, the side of the largest confusion matrix
SMALLEST = 0.3  # inches, the smallest cell with a number in it
LABEL = 0.12  # inches, the smallest distance of two class names


def training_curves(log: Sequence[Mapping[str, Any]], best_epoch: int, *, title: str = "") -> "Figure":
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
        >>> figure = training_curves([{"epoch": epoch, **dict.fromkeys(names, 0.5)} for epoch in (1, 2)], 2)
        >>> [axes.get_title("left") for axes in figure.axes]
        ['Loss', 'Validation']
    """
    import matplotlib

    epochs = [row["epoch"] for row in log]
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(9, 3.6)
        _head(figure, title)
        left, right = figure.subplots(1, 2)
        lines = {
            left: {"training (augmented)": "train_loss", "validation": "validation_loss"},
            right: {"accuracy": "validation_accuracy", "macro-F1": "validation_macro_f1"},
        }
        left.set(xlabel="epoch", ylabel="cross-entropy [nats]", title="Loss")
        right.set(xlabel="epoch", ylabel="share", ylim=(0, 1.02), title="Validation")
        for axes, names in lines.items():
            for (label, name), color in zip(names.items(), PALETTE, strict=False):
                axes.plot(epochs, [row[name] for row in log], label=label, color=color)
            axes.axvline(best_epoch, color=GREY, linestyle=":", label="weights kept")
            # A background keeps the line of the best epoch out of the text.
            axes.legend(frameon=True, framealpha=0.9, edgecolor="none")
            axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def confusion_matrix(counts: Any, classes: Sequence[str], *, title: str = "") -> "Figure":
    """The confusion matrix with its counts; shades are shares of the true class.

    Args:
        counts: `[K, K]` int, rows are true classes and columns predicted ones.
        classes: K names.
        title: above the figure.

    Returns:
        A figure that grows with the classes up to 20; from 47 classes on it has no numbers.

    Raises:
        ValueError: for counts that are not `[K, K]`.

    Example:
        >>> confusion_matrix([[8, 2], [1, 9]], ["benign", "malignant"]).axes[0].get_ylabel()
        'true class'
    """
    counts = np.asarray(counts)
    names = list(classes)
    if counts.shape != (len(names), len(names)):
        raise ValueError(f"counts must be [{len(names)}, {len(names)}] for {len(names)} classes; got {counts.shape}")
    import matplotlib

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = min(0.7, MOST / len(names))
    side = 3.2 + cell * len(names)
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(side + 1, side)
        axes = figure.subplots()
        axes.spines[:].set_visible(True)
        shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(shown, ax=axes, label="share of the true class", shrink=0.8)
        turned: Any = (
            {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len(names) <= 8 else {"rotation": 90}
        )
        size = float(np.clip(60 * cell, 7, 9))
        step = max(1, round(LABEL / cell))
        axes.set_xticks(range(0, len(names), step), names[::step], fontsize=size, **turned)
        axes.set_yticks(range(0, len(names), step), names[::step], fontsize=size)
        axes.set(xlabel="predicted class", ylabel="true class")
        _head(figure, title)
        for row, column in np.ndindex(counts.shape) if cell > SMALLEST else ():
            color = letters_on(tuple(shown.to_rgba(shares[row, column])))
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=size)
    return figure


def reliability_diagram(found: Mapping[str, Any], *, title: str = "") -> "Figure":
    """Reliability diagram: accuracy over the probability of the predicted class, and the images in each bin.

    Args:
        found: from `training.reliability`: `ece`, the expected calibration error, and `bins`, mappings with `low` (the
            lower edge), `images`, `accuracy` and `confidence` (the mean probability), in order, of equal width.
        title: above the figure.

    Returns:
        A figure 4.6 inches wide.

    Example:
        >>> bins = [{"low": 0.0, "images": 0, "accuracy": None, "confidence": None},
        ...         {"low": 0.5, "images": 10, "accuracy": 0.8, "confidence": 0.9}]
        >>> reliability_diagram({"ece": 0.1, "bins": bins}).axes[1].get_ylabel()
        'images'
    """
    import matplotlib

    rows = [row for row in found["bins"] if row["images"]]
    edges = [row["low"] for row in found["bins"]]
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(4.6, 5.6)
        _head(figure, title)
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        upper.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
        places, right = ([row[name] for row in rows] for name in ("confidence", "accuracy"))
        upper.plot(places, right, marker="o", color=PALETTE[0], label=f"bins, ECE {found['ece']:.3f}")
        upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(-0.02, 1.02))
        count = [row["images"] for row in found["bins"]]
        lower.bar(edges, count, width=1 / len(edges), align="edge", color=PALETTE[0], edgecolor="white")
        lower.set(xlabel="probability of the predicted class", ylabel="images")
        # Below the plots, where it hides no bin.
        figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=2)
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
    import matplotlib

    coordinates, labels, predicted = np.asarray(coordinates), np.asarray(labels), np.asarray(predicted)
    count = len(classes)
    spread = matplotlib.colormaps["turbo"](np.linspace(0, 1, count))
    colors: Any = PALETTE if count <= len(PALETTE) else spread
    wrong = predicted != labels
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(6.2, 4.8)
        _head(figure, title)
        axes = figure.subplots()
        for index, name in enumerate(classes):
            mine = labels == index
            right, missed = coordinates[mine & ~wrong], coordinates[mine & wrong]
            axes.scatter(right[:, 0], right[:, 1], s=22, color=[colors[index]], alpha=0.75, label=legend_text(name))
            axes.scatter(missed[:, 0], missed[:, 1], s=40, color=[colors[index]], marker="x")
        axes.scatter([], [], s=40, color=GREY, marker="x", label="predicted wrongly")
        axes.set(
            xlabel=f"first principal component ({shares[0]:.0%} of the variance)",
            ylabel=f"second ({shares[1]:.0%})",
        )
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    return figure


def _head(figure: "Figure", title: str) -> None:
    """The title at the left of the whole figure, in lines that fit."""
    lines = textwrap.fill(title, round(11 * figure.get_figwidth()))
    figure.suptitle(lines, x=0.01, ha="left", fontsize=10, fontweight="bold")
