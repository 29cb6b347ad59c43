"""What the model says to images that hold no evidence: a benchmark that hides pixels shows it such images.

| image | what it is |
|---|---|
| black | zeros |
| mean | the mean colour of the image |
| blurred | the image under a Gaussian of 10 pixels |
| filled | rebuilt by linear interpolation from 1 % of its pixels, as information curves begin |
| scattered | its pixels in random order |
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import _outputs, kernels
from xaijax.metrics.calibration.models import Model

KNOWN = 0.01


def _hidden(fill: Any) -> Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]:
    def made(image: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return np.asarray(kernels.reveal(image, np.ones(image.shape[:2], np.uint16), 1, fill)[0])

    return made


def _filled(image: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    known = kernels.random_mask(image.shape[:2], KNOWN, int(rng.integers(2**31)))
    return np.asarray(kernels.reveal(image, np.where(known, 0, 1).astype(np.uint16), 1)[0])


def _scattered(image: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    flat = image.reshape(-1, image.shape[-1])
    return np.ascontiguousarray(flat[rng.permutation(len(flat))].reshape(image.shape))


IMAGES: dict[str, Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]] = {
    "black": _hidden(0),
    "mean": _hidden("mean"),
    "blurred": _hidden("blur"),
    "filled": _filled,
    "scattered": _scattered,
}


def evidence_free(model: Model, images: NDArray[Any], *, seed: int = 0) -> list[dict[str, Any]]:
    """What the model predicts for each kind of image without evidence, made of each of the images.

    Args:
        model: the user's classifier.
        images: `[B, H, W, C]`.
        seed: of known and scattered pixels.

    Returns:
        One entry per kind: `{"image", "class", "probability", "shares"}`: the class that is predicted most often, its
        mean probability, and for each class the share of the images for which it is the most probable one.
    """
    found = []
    for kind, make in IMAGES.items():
        some = images[:1] if kind == "black" else images
        made = np.stack(
            [make(np.ascontiguousarray(image), np.random.default_rng([seed, i])) for i, image in enumerate(some)]
        )
        predictions = model.predict(made)
        count = predictions.shape[1]
        names = (
            [str(k) for k in range(count)] if model.classes is None else _outputs.targets(model.output, model.classes)
        )
        votes = Counter(int(k) for k in predictions.argmax(axis=1))
        top = votes.most_common(1)[0][0]
        found.append(
            {
                "image": kind,
                "class": names[top],
                "probability": float(predictions[:, top].mean()),
                "shares": {names[k]: votes[k] / len(made) for k in range(count)},
            }
        )
    return found
