"""One image explained: what the model predicts, and the maps of the methods on the pixels of the image."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data.dataset import SPREAD
from xaijax.data.images import OWN_RANGE, resize_image, with_channels
from xaijax.data.saving import SavedMap, on_image
from xaijax.explain_images.config import ExplainConfig
from xaijax.plot import overlay, to_rgb


@dataclasses.dataclass(frozen=True, eq=False)
class Explained:
    """One image and its maps.

    Attributes:
        path: of its file.
        image: `[h, w, C]` uint8, as it was read.
        part: `(top, left, height, width)` of what was explained, in its pixels.
        given: `[H, W, C]` uint8, what the model was given.
        chances: `[K]` probabilities.
        explained: position of the explained class.
        classes: names of all classes.
        raw, evidence: method -> `[H, W]`.
        notes: what reading changed or assumed.
        transposed: whether rows and columns of the file were swapped.
    """

    path: Path
    image: np.ndarray
    part: tuple[int, int, int, int]
    given: np.ndarray
    chances: np.ndarray
    explained: int
    classes: Sequence[str]
    raw: Mapping[str, np.ndarray]
    evidence: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()
    transposed: bool = False

    @property
    def predicted(self) -> int:
        """Position of the predicted class; a regression has one output."""
        return int(self.chances.argmax())

    def saved(self, method: str, name: str, model: str) -> SavedMap:
        """The map of a method on the pixels of the image."""
        shape = self.image.shape[0], self.image.shape[1]
        return SavedMap(
            name,
            method,
            on_image(self.raw[method], shape, self.part),
            on_image(self.evidence[method], shape, self.part),
            self.classes[self.explained],
            model,
            _kind(method),
        )

    def overlay(self, one: SavedMap, config: ExplainConfig, *, whole: bool) -> np.ndarray:
        """The overlay of a map as uint8 RGB: over the part that was explained, or over the whole image."""
        image = np.zeros_like(self.image) if config.bare else self.image
        heat = one.evidence
        top, left, height, width = self.part
        rows, columns = slice(top, top + height), slice(left, left + width)
        drawn = overlay(image[rows, columns], heat[rows, columns], opacity=config.opacity)
        if not whole or drawn.shape == (*image.shape[:2], 3):
            return drawn
        # The same colours as in the part alone; the rest is grey, as under no evidence.
        full = overlay(image, np.zeros_like(heat), opacity=config.opacity)
        full[rows, columns] = drawn
        return full

    def column(self, config: ExplainConfig) -> dict[str, np.ndarray]:
        """The column of the gallery, at the size that the model takes: the image, and the overlay of each method."""
        behind = np.zeros_like(self.given) if config.bare else self.given
        first = {} if config.bare else {"image": to_rgb(self.given)}
        return first | {m: overlay(behind, heat, opacity=config.opacity) for m, heat in self.evidence.items()}


def explain_image(
    path: Path, classifier: Any, config: ExplainConfig, options: Mapping[str, Mapping[str, Any]]
) -> Explained:
    """Reads an image and explains it by every method.

    Raises:
        OSError, ValueError: for an image that cannot be read.
        InputError: for a method that gives NaN.
    """
    from xaijax.data.files import ImageFile
    from xaijax.data.reading import Reading, parse_window
    from xaijax.explain import METHODS

    reading = Reading(window=parse_window(config.window), transpose=config.transpose)
    content = ImageFile(path, reading=reading).read(masks=False)
    image, notes = content.image, content.notes + ((SPREAD,) if content.stored.endswith(OWN_RANGE) else ())
    height, width, channels = classifier.input_shape
    part = central(image.shape, height / width) if config.crop else (0, 0, image.shape[0], image.shape[1])
    top, left, h, w = part
    shown = image[top : top + h, left : left + w]
    batch = resize_image(with_channels(shown, channels), (height, width))[None]
    chances = np.asarray(classifier.predict(batch))[0]
    explained = int(chances.argmax()) if config.target == "predicted" else classifier.targets.index(config.target)
    labels = np.array([explained], np.int32)
    raw: dict[str, np.ndarray] = {}
    for method in config.methods:
        given = {"seed": config.seed, "batch_size": config.batch_size} | dict(options.get(method, {}))
        raw[method] = np.asarray(METHODS[method].maps(classifier, batch, labels, **given)[0], np.float32)
        if not np.isfinite(raw[method]).all():
            raise InputError(f"the method {method} gives NaN or infinity for {path}; check the model {config.model}")
    evidence = {method: METHODS[method].evidence(heat) for method, heat in raw.items()}
    return Explained(
        *(path, image, part, batch[0], chances, explained, classifier.targets, raw, evidence),
        notes=notes,
        transposed=config.transpose,
    )


def central(shape: Sequence[int], proportion: float) -> tuple[int, int, int, int]:
    """`(top, left, height, width)` of the largest central part with `height / width` nearest to the proportion.

    Example:
        >>> central((10, 30, 3), 0.5)
        (0, 5, 10, 20)
    """
    height, width = shape[:2]
    h, w = min(height, max(1, round(width * proportion))), min(width, max(1, round(height / proportion)))
    return (height - h) // 2, (width - w) // 2, h, w


def _kind(method: str) -> str:
    """What DICOM calls the maps of a method."""
    from xaijax.explain import METHODS

    if METHODS[method].family != "cam":
        return "saliency"
    return "gradient-weighted class activation" if method.startswith("grad_cam") else "class activation"
