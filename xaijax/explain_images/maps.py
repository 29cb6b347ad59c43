"""One image explained: what the model predicts, and the maps of the methods on the pixels of the image."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data.saving import SavedMap, on_image
from xaijax.explain_images.config import ExplainConfig
from xaijax.explain_images.seen import see
from xaijax.explain_images.sure import Sure, with_error
from xaijax.plot import overlay
from xaijax.plot._overlay import to_rgb


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
        errors: method -> what is known of the error of its map; empty without --uncertainty.
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
    errors: Mapping[str, Sure] = dataclasses.field(default_factory=dict)

    @property
    def predicted(self) -> int:
        """Position of the predicted class; a regression has one output."""
        return int(self.chances.argmax())

    def saved(self, method: str, name: str, model: str) -> SavedMap:
        """The map of a method on the pixels of the image."""
        shape = self.image.shape[0], self.image.shape[1]
        error = self.errors[method].error if method in self.errors else None
        return SavedMap(
            name,
            method,
            on_image(self.raw[method], shape, self.part),
            on_image(self.evidence[method], shape, self.part),
            self.classes[self.explained],
            model,
            _kind(method),
            None if error is None else on_image(error, shape, self.part),
        )

    def drawn_error(self, method: str) -> bytes:
        """The figure of a map with its standard error, as a PNG."""
        from xaijax.plot import uncertainty
        from xaijax.plot._style import encode

        sure = self.errors[method]
        title = f"{method.replace('_', ' ')}, {sure.draws} draws"
        sides = ("above the mean", "below it") if sure.middle else ("for", "against")
        arrays = self.evidence[method], self.raw[method] - sure.middle, sure.error, sure.certain
        figure = uncertainty(self.given, *arrays, sides=sides, title=title)
        return encode(figure, "png")

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
    from xaijax.explain import METHODS

    seen = see(path, classifier, config)
    explained = int(seen.chances.argmax()) if config.target == "predicted" else classifier.targets.index(config.target)
    batch = seen.given[None]
    labels = np.array([explained], np.int32)
    raw: dict[str, np.ndarray] = {}
    errors: dict[str, Sure] = {}
    for method in config.methods:
        own = dict(options.get(method, {}))
        if config.uncertainty:
            raw[method], errors[method] = with_error(method, classifier, batch, labels, config, own)
        else:
            given = {"seed": config.seed, "batch_size": config.batch_size} | own
            raw[method] = np.asarray(METHODS[method].maps(classifier, batch, labels, **given)[0], np.float32)
        if not np.isfinite(raw[method]).all():
            raise InputError(f"the method {method} gives NaN or infinity for {path}; check the model {config.model[0]}")
    evidence = {method: METHODS[method].evidence(heat) for method, heat in raw.items()}
    return Explained(
        *(path, seen.image, seen.part, seen.given, seen.chances, explained, classifier.targets, raw, evidence),
        notes=seen.notes,
        transposed=config.transpose,
        errors=errors,
    )


def _kind(method: str) -> str:
    """What DICOM calls the maps of a method."""
    from xaijax.explain import METHODS

    if METHODS[method].family != "cam":
        return "saliency"
    return "gradient-weighted class activation" if method.startswith("grad_cam") else "class activation"
