"""The figures of a classifier's scores on labelled images, as `train` and `evaluate` write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax import _files, plot
from xaijax.classifier import Classifier
from xaijax.training._embedding import penultimate, principal_components

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: "Figure", path: Path) -> None:
    """Write a figure as a PNG file, whole."""
    _files.with_temporary(path, lambda partial: figure.savefig(partial, dpi=120))


def write_figures(
    out: Path,
    classifier: Classifier,
    images: Any,
    labels: np.ndarray,
    predicted: np.ndarray,
    metrics: Mapping[str, Any],
    title: str,
    suffix: str = "",
) -> None:
    """Write `confusion.png`, `reliability.png` and `embedding.png`; of a classifier of findings none of them.

    Args:
        out: a folder that is there.
        classifier: what was scored.
        images: `[N, H, W, C]`: an array, or anything with `len` that an index array indexes.
        labels: `[N]` int.
        predicted: `[N]` int.
        metrics: what `classification_scores` gave.
        title: above the figures.
        suffix: behind the names of the files, where there are several classifiers.
    """
    if "confusion" not in metrics:
        return
    title = f"{title}, {metrics['images']} images"
    save(plot.confusion_matrix(metrics["confusion"], metrics["classes"], title=title), out / f"confusion{suffix}.png")
    save(plot.reliability_diagram(metrics["reliability"], title=title), out / f"reliability{suffix}.png")
    if classifier.network.host:
        return  # nobody knows what its last layer reads
    coordinates, shares = principal_components(penultimate(classifier, images))
    figure = plot.embedding(coordinates, labels, predicted, classifier.classes, shares=shares, title=title)
    save(figure, out / f"embedding{suffix}.png")
