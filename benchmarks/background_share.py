"""How much of the logits of a network comes from where its images are black, for docs/studies/explainers.md.

    python benchmarks/background_share.py CHECKPOINT DATA

A class activation map adds up to the logit less its bias, so its cells over black pixels say what the background gives;
then their activations are set to zero, and the accuracy is counted again. DATA needs lesion masks, stored transposed as
in brain-cheng; the images are those that the training kept apart.
"""

import sys
from collections.abc import Sequence

import jax
import numpy as np

from xaijax import data, models
from xaijax._runs.models import sides_of, training_of

BLACK = 12  # of 255
SHARE = 0.99  # of a cell's pixels


def main(arguments: Sequence[str]) -> int:
    """Prints one line per class and the two accuracies."""
    classifier = models.load(arguments[0])
    dataset = data.open_dataset(arguments[1], transpose=True, mask_role="lesion")
    sides = sides_of(training_of(arguments[0]), dataset)
    if sides is None:
        raise ValueError(f"{arguments[0]} does not name its validation images of {arguments[1]}")
    batch = dataset.read(sides["validation"], classifier.input_shape)
    labels = np.array([classifier.classes.index(dataset.classes[label]) for label in batch.labels])
    layer = classifier.default_layer

    def forward(classifier, images, offset):  # type: ignore[no-untyped-def]
        logits, taps = classifier.tapped(classifier.params, images, {layer: offset})
        return logits, taps[layer]

    zero = classifier.zero_offsets(batch.images, [layer])[layer]
    logits, activations = (np.asarray(value) for value in jax.jit(forward)(classifier, batch.images, zero))
    rows, columns = activations.shape[1:3]

    def cells(pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape(len(pixels), rows, pixels.shape[1] // rows, columns, -1).mean((2, 4))

    black = cells(batch.images.mean(-1) < BLACK) > SHARE
    lesion = cells(batch.masks) > 0
    maps = np.einsum("bhwc,cb->bhw", activations, np.asarray(classifier.head(classifier.params))[:, labels])
    maps /= rows * columns
    for index, name in enumerate(classifier.classes):
        own = labels == index
        total, dark, inside = ((maps * where)[own].sum((1, 2)).mean() for where in (True, black, lesion))
        print(
            f"{name}: {own.sum()} images, logit less bias {total:.2f}; black cells ({black[own].mean():.2f} of all) "
            f"{dark:.2f}, cells of the lesion ({lesion[own].mean():.3f}) {inside:.3f}"
        )
    without, _ = jax.jit(forward)(classifier, batch.images, np.where(black[..., None], -activations, 0))
    for title, values in (("unchanged", logits), ("without black cells", np.asarray(without))):
        found = values.argmax(1)
        print(f"{title}: accuracy {(found == labels).mean():.3f}, predicted {np.bincount(found).tolist()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
