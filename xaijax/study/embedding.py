"""Images and features of a classifier in the plane: principal components, t-SNE and UMAP where they are installed."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import models
from xaijax._runs import page
from xaijax._runs.models import sides_of, training_of
from xaijax._runs.training import Images
from xaijax.evaluate.report import file_name
from xaijax.plot import _planes
from xaijax.study.plan import Cell
from xaijax.training._embedding import penultimate, principal_components


def draw(out: Path, cell: Cell, dataset: Any, seed: int) -> Path | None:
    """Draws the test images of a training by their pixels and by what the last layer reads.

    Args:
        out: folder of the study; the figure lies in its `figures`.
        cell: the training, finished.
        dataset: its data.
        seed: of t-SNE and UMAP.

    Returns:
        The figure; None where the training kept fewer than four images or knows several findings.
    """
    path = out / "figures" / f"embedding-{file_name(cell.name)}.png"
    sides = sides_of(training_of(cell.folder), dataset) or {}
    positions = sides.get("test") or sides.get("validation") or []
    if len(positions) < 4 or dataset.multi_label:
        return None
    classifier = models.load(cell.folder)
    images = Images.read(dataset, np.asarray(positions), classifier.input_shape)
    pixels = np.asarray(images[np.arange(len(images))], np.float64).reshape(len(images), -1) / 255
    found = {}
    for what, features in (("pixels", pixels), ("last layer", penultimate(classifier, images))):
        for name, coordinates in planes(np.asarray(features, np.float64), seed).items():
            found[f"{name} of the {what}"] = coordinates
    places = [list(classifier.classes).index(name) for name in dataset.classes]
    labels = np.asarray(places)[images.labels]
    figure = _planes.planes(
        found, labels, classifier.classes, title=f"{cell.models[0]} on {cell.data}, {len(labels)} images"
    )
    return page.save_figure(figure, path)


def planes(features: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """`[N, c]` features -> `[N, 2]` by each way that is there.

    Example:
        >>> list(planes(np.random.default_rng(0).random((6, 3)), 0))[0]
        'PCA'
    """
    found = {"PCA": principal_components(features)[0]}
    if importlib.util.find_spec("sklearn") is not None:
        from sklearn.manifold import TSNE

        near = min(30.0, (len(features) - 1) / 3)
        found["t-SNE"] = TSNE(perplexity=near, init="pca", random_state=seed).fit_transform(features)
    if importlib.util.find_spec("umap") is not None:
        import umap

        found["UMAP"] = umap.UMAP(random_state=seed, n_neighbors=min(15, len(features) - 1)).fit_transform(features)
    return found
