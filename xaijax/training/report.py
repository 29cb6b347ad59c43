"""The figures of a classifier's scores on labelled images."""

from pathlib import Path
from typing import Any

import numpy as np

from xaijax.classifier import Classifier
from xaijax.training import figures
from xaijax.training.embedding import penultimate, principal_components
from xaijax.training.folder import draw


def write_figures(
    out: Path,
    classifier: Classifier,
    images: Any,
    labels: np.ndarray,
    predicted: np.ndarray,
    metrics: dict[str, Any],
    title: str,
    suffix: str = "",
) -> None:
    """Write `confusion.png`, `calibration.png` and `embedding.png`.

    Args:
        out: a folder that is there.
        classifier: what was scored.
        images: `[N, H, W, C]`: an array, or anything with `len` that an index array indexes.
        labels: `[N]` int.
        predicted: `[N]` int.
        metrics: what `evaluate` gave.
        title: above the figures.
        suffix: behind the names of the files, where there are several classifiers.
    """
    title = f"{title}, {metrics['images']} images"
    draw(out / f"confusion{suffix}.png", lambda path: figures.confusion(metrics, path, title))
    draw(out / f"calibration{suffix}.png", lambda path: figures.calibration(metrics["calibration"], path, title))
    coordinates, shares = principal_components(penultimate(classifier, images))
    draw(
        out / f"embedding{suffix}.png",
        lambda path: figures.embedding(coordinates, shares, labels, predicted, classifier.classes, path, title),
    )
