"""Figures of a training: its course, and the confusion matrix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def course(log: Sequence[Mapping[str, Any]], best_epoch: int, path: Path, title: str) -> None:
    """Loss and macro-F1 over the epochs.

    Args:
        log: one mapping per epoch, as in `log.jsonl`.
        best_epoch: the epoch whose weights were kept.
        path: a PNG file.
        title: above the figure.
    """
    epochs = [row["epoch"] for row in log]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
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
    figure.savefig(path, dpi=120)


def confusion(scores: Mapping[str, Any], path: Path, title: str) -> None:
    """The confusion matrix with its counts; shades are shares of the true class.

    Args:
        scores: what `xaijax._training.scores.scores` gives.
        path: a PNG file.
        title: above the figure.
    """
    counts = np.asarray(scores["confusion"])
    names = scores["classes"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 3.2 + 0.7 * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
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
    figure.savefig(path, dpi=120)
