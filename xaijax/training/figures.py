"""Figures of a training and of an evaluation: course, confusion matrix, calibration, embedding."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
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
        scores: what `xaijax.training.scores.scores` gives.
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


def calibration(found: Mapping[str, Any], path: Path, title: str) -> None:
    """Reliability diagram: accuracy over the probability of the predicted class, and how many images each bin has.

    Args:
        found: what `xaijax.training.calibration.calibration` gives.
        path: a PNG file.
        title: above the figure.
    """
    rows = [row for row in found["bins"] if row["images"]]
    figure = Figure(figsize=(4.6, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
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
    figure.savefig(path, dpi=120)


def embedding(
    coordinates: np.ndarray,
    shares: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Images by the first two principal components of what the last layer reads; a cross where the class is wrong.

    Args:
        coordinates: `[N, 2]`.
        shares: `[2]`, of the variance.
        labels: `[N]` int, true classes: the colours.
        predicted: `[N]` int.
        classes: K names.
        path: a PNG file.
        title: above the figure.
    """
    figure = Figure(figsize=(6.2, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
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
    figure.savefig(path, dpi=120)
