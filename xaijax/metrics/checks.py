"""What `evaluate` refuses: arrays that do not fit, and metrics that lack what they need."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.metric import LESION_ROLE, ROLES, Family, Metric


def check_images(images: NDArray[Any], labels: NDArray[Any], ids: Sequence[str] | None, *, classes: Any) -> list[str]:
    if images.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise TypeError(f"images must be uint8, uint16, float32 or float64; got {images.dtype}")
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise ValueError(f"images must be [B, H, W, C]; got shape {images.shape}")
    count = len(images)
    if ids is None:
        ids = [str(i) for i in range(count)]
    names = [str(name) for name in ids]
    if len(names) != count or len(set(names)) != count:
        raise ValueError(
            f"ids must be {count} distinct names, one per image; got {len(names)}, {len(set(names))} distinct"
        )
    if np.issubdtype(images.dtype, np.floating):
        for name, image in zip(names, images, strict=True):
            if not np.isfinite(image).all():
                raise ValueError(f"images must be finite; image {name!r} holds NaN or infinity")
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be {count} integers, one per image; got shape {labels.shape} of {labels.dtype}")
    top = None if classes is None else len(classes)
    wrong = np.flatnonzero((labels < 0) | (labels >= (np.inf if top is None else top)))
    if wrong.size:
        allowed = "0 or more" if top is None else f"in [0, {top})"
        raise ValueError(f"labels must be {allowed}; image {names[wrong[0]]!r} has {labels[wrong[0]]}")
    return names


def check_maps(
    maps: Mapping[str, Any], images: NDArray[Any], names: Sequence[str], *, what: str = "maps"
) -> dict[str, NDArray[Any]]:
    if not isinstance(maps, Mapping):
        raise TypeError(f"{what} must be a dictionary from method to [B, H, W]; got {type(maps).__name__}")
    if not maps:
        raise ValueError(f"{what} must hold at least one method; got an empty dictionary")
    checked = {}
    for method, values in maps.items():
        values = np.asarray(values)
        if values.shape != images.shape[:3]:
            raise ValueError(
                f"{what} of {method!r} must be [B, H, W] = {images.shape[:3]} like images; got {values.shape}"
            )
        if values.dtype != np.float64:
            if values.dtype.kind not in "fbiu":
                raise TypeError(f"{what} of {method!r} must be real numbers; got {values.dtype}")
            # Integers of more than 24 bits would collide in float32.
            values = values.astype(
                np.float64 if values.dtype.kind in "iu" and values.dtype.itemsize > 2 else np.float32
            )
        broken = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
        if broken.size:
            raise ValueError(
                f"{what} must be finite; the map of {method!r} for image {names[broken[0]]!r} holds NaN or infinity "
                f"({broken.size} of {len(names)} images): leave the image out or repair the map"
            )
        checked[str(method)] = values
    return checked


def check_role(role: str | None, what: str, *, wanted: str = LESION_ROLE) -> None:
    """Raises ValueError unless masks of this role are what is wanted.

    Example:
        >>> check_role("organ", "pointing_game")
        Traceback (most recent call last):
        ValueError: pointing_game needs lesion masks; these masks have the role 'organ': leave pointing_game out or ...
    """
    if role is not None and role not in ROLES:
        raise ValueError(f"mask_role must be one of {', '.join(ROLES)}; got {role!r}")
    if role != wanted:
        raise ValueError(
            f"{what} needs {wanted} masks; these masks have the role {role!r}: leave {what} out or give {wanted} masks"
        )


def check_masks(masks: Any, role: str | None, images: NDArray[Any]) -> dict[str | None, NDArray[np.bool_]]:
    """role -> `[B, H, W]` bool, from one array of masks with its role, or from a dictionary by role."""
    if masks is None:
        return {}
    checked: dict[str | None, NDArray[np.bool_]] = {}
    for name, values in (masks if isinstance(masks, Mapping) else {role: masks}).items():
        if name is not None and name not in ROLES:
            raise ValueError(f"mask_role must be one of {', '.join(ROLES)}; got {name!r}")
        values = np.asarray(values)
        if values.dtype not in (np.bool_, np.uint8):
            raise TypeError(f"masks must be bool or uint8; got {values.dtype}")
        if values.shape != images.shape[:3]:
            raise ValueError(f"masks must be [B, H, W] = {images.shape[:3]} like images; got {values.shape}")
        checked[name] = values != 0
    return checked


def check_needs(
    metrics: Sequence[Metric],
    *,
    classifier: Any,
    masks: Mapping[str | None, Any],
    variants: Mapping[str, Any],
    explainers: Mapping[str, Any],
) -> None:
    """Raises for the first metric that lacks what it needs."""
    for metric in metrics:
        name = metric.name
        for wanted in metric.roles:
            if not masks:
                raise ValueError(f"{name} needs masks; got none: pass masks or leave {name} out")
            if wanted not in masks:
                check_role(next(iter(masks)), name, wanted=wanted)
        if "model" in metric.needs and not callable(getattr(classifier, "predict", None)):
            raise TypeError(f"{name} needs a classifier with predict(images); got {type(classifier).__name__}")
        if "explainer" in metric.needs and not explainers:
            raise ValueError(
                f"{name} needs the methods themselves; got maps alone: pass explainers={{method: function of "
                f"(classifier, images, labels)}} or leave {name} out"
            )
        if "variants" in metric.needs and not variants:
            raise ValueError(
                f"{name} compares several maps of an image; got one: pass variants={{method: {{variant: maps}}}} or "
                f"leave {name} out"
            )


def check_explainers(explainers: Mapping[str, Any] | None, methods: Sequence[str]) -> dict[str, Callable[..., Any]]:
    """The explainers by method; each must be callable and have maps."""
    explainers = dict(explainers or {})
    for method, function in explainers.items():
        if not callable(function):
            raise TypeError(
                f"explainers[{method!r}] must be a function of (classifier, images, labels); got "
                f"{type(function).__name__}"
            )
        if method not in methods:
            raise ValueError(f"explainers names {method!r}, which has no maps; maps has {', '.join(methods)}")
    return explainers


def check_settings(settings: Mapping[str, Mapping[str, Any]] | None, families: Mapping[str, Family]) -> dict[str, Any]:
    """The settings of every family: what is given, and defaults."""
    given = {name: dict(options) for name, options in (settings or {}).items()}
    unknown = sorted(set(given) - set(families))
    if unknown:
        raise ValueError(f"settings names no family of metrics by {unknown[0]!r}; choose from {', '.join(families)}")
    made = {}
    for name, family in families.items():
        known = [field.name for field in dataclasses.fields(family.settings)]
        for option in given.get(name, {}):
            if option not in known:
                allowed = ", ".join(known) or "none"
                raise ValueError(f"the family {name} has no setting {option!r}; it has: {allowed}")
        try:
            made[name] = family.settings(**given.get(name, {}))
        except TypeError as error:  # a text where a number belongs
            raise ValueError(
                f"the settings of {name} have a value of the wrong kind, {given[name]}: {error}"
            ) from error
    return made
