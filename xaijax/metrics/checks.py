"""What `evaluate` refuses: arrays that do not fit, and metrics that lack what they need."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import _names
from xaijax._errors import InputError
from xaijax._outputs import Output, detached, targets
from xaijax._ranges import check_range, native
from xaijax.metrics.metric import LESION_ROLE, ROLES, Explained, Family, Metric


def as_images(images: Any) -> NDArray[Any]:
    """Images as the metrics read them: in the byte order of this machine, float16 and bfloat16 as float32.

    Example:
        >>> as_images(np.array([258], ">u2")).view(np.uint8).tolist(), as_images(np.zeros(1, np.float16)).dtype
        ([2, 1], dtype('float32'))
    """
    found = native(np.asarray(detached(images)))
    return found.astype(np.float32) if found.dtype.name in ("float16", "bfloat16") else found


def check_images(images: NDArray[Any], ids: Sequence[str] | None) -> list[str]:
    if images.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise TypeError(f"images must be uint8, uint16, float32 or float64; got {images.dtype}")
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise InputError(f"images must be [B, H, W, C]; got shape {images.shape}")
    if images.shape[1] in (1, 3) and images.shape[3] not in (1, 3):
        raise InputError(
            f"images must be [B, H, W, C]; got shape {images.shape}, which looks like channels first: give "
            "images.transpose(0, 2, 3, 1)"
        )
    count = len(images)
    if ids is None:
        ids = [str(i) for i in range(count)]
    names = [str(name) for name in ids]
    if len(names) != count or len(set(names)) != count:
        raise InputError(
            f"ids must be {count} distinct names, one per image; got {len(names)}, {len(set(names))} distinct"
        )
    if np.issubdtype(images.dtype, np.floating):
        for name, image in zip(names, images, strict=True):
            if not np.isfinite(image).all():
                raise InputError(f"images must be finite; image {name!r} holds NaN or infinity")
        check_range(images)
    _check_scale(images)
    return names


def _check_scale(images: NDArray[Any]) -> None:
    """Refuses images that are black by their type: all of their values are at its very low end."""
    top = float(images.max(initial=0))
    if images.dtype == np.uint8 and top == 1:
        likely = "reach 1 of 255: were floats in [0, 1] cast to uint8? give the floats"
    elif images.dtype == np.uint16 and 0 < top <= 255:
        likely = f"reach {top:.0f} of 65535: these look like 8 bits, give them as uint8"
    elif images.dtype.kind == "f" and 0 < top <= 1 / 255 + 1e-9:
        likely = f"reach {top:.2g} of 1: were they divided by 255 twice?"
    else:
        return
    raise InputError(f"images of {images.dtype} {likely}")


def check_labels(
    labels: NDArray[Any], names: Sequence[str], output: Output, classes: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.int32], list[str] | None]:
    """Which label of which image each map explains: one per image, or one per finding that is present.

    Returns:
        `(images [N], labels [N], their findings' names or None)`; the labels are those of `xaijax._outputs`.
    """
    count = len(names)
    every = np.arange(count)
    if output in ("sigmoid", "binary") and classes is None:
        raise TypeError(f"a classifier with the output {output} needs its names: give it an attribute `classes`")
    if output == "regression":
        if labels.shape != (count,) or labels.dtype.kind not in "fiu" or not np.isfinite(labels).all():
            raise InputError(f"labels of a regression must be {count} numbers; got shape {labels.shape}")
        return every, np.zeros(count, np.int32), None
    if output == "sigmoid" and labels.ndim == 2:
        rows, found = np.nonzero(_findings(labels, names, classes or ()))
        return rows, found.astype(np.int32), [str((classes or ())[int(k)]) for k in found]
    if labels.dtype == np.bool_ and output == "binary":
        labels = labels.astype(np.int32)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        more = f", or [{count}, {len(classes or ())}] findings" if output == "sigmoid" else ""
        likely = (
            ": of one-hot rows give labels.argmax(axis=1)"
            if labels.ndim == 2 and labels.shape[1] > 1
            else ": give labels.ravel()"
            if labels.shape == (count, 1)
            else ": give the positions of the names in the model's classes"
            if labels.dtype.kind in "UO"
            else ": give labels.astype(int)"
            if labels.shape == (count,)
            else ""
        )
        raise InputError(
            f"labels must be {count} integers, one per image{more}; got shape {labels.shape} of {labels.dtype}{likely}"
        )
    meanings = None if classes is None else targets(output, classes)
    top = None if meanings is None else len(meanings)
    # Without names the model's answers say how many classes there are; numbers that 32 bits do not hold would wrap.
    wrong = np.flatnonzero((labels < 0) | (labels >= (2**31 if top is None else top)))
    if wrong.size:
        allowed = "0 or more, and below 2^31" if top is None else f"in [0, {top})"
        raise InputError(f"labels must be {allowed}; image {names[wrong[0]]!r} has {labels[wrong[0]]}")
    named = [meanings[label] for label in labels] if output == "sigmoid" and meanings else None
    return every, labels.astype(np.int32), named


def _findings(labels: NDArray[Any], names: Sequence[str], classes: Sequence[str]) -> NDArray[np.bool_]:
    """`[B, K]` which findings are present, from bool, 0 and 1, and NaN for what is not known."""
    if labels.shape != (len(names), len(classes)):
        raise InputError(
            f"labels must be [B, K] = {(len(names), len(classes))} findings ({', '.join(classes)}); got {labels.shape}"
        )
    if labels.dtype == np.bool_:
        return labels
    values = labels.astype(np.float64)
    wrong = np.argwhere(~np.isin(values, (0, 1)) & ~np.isnan(values))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"findings must be 1 (present), 0 (absent) or NaN (not known); image {names[row]!r} has "
            f"{values[row, column]:g} for {classes[column]}"
        )
    return np.asarray(values == 1)


def expand(values: NDArray[Any], rows: NDArray[np.int64], labels: NDArray[np.int32], count: int) -> NDArray[Any] | None:
    """Maps or masks for every row: `[N, H, W]`, from `[N, H, W]` themselves or `[B, K, H, W]`; else None."""
    if values.ndim == 4 and len(values) == count:
        return np.asarray(values[rows, labels]) if not len(labels) or labels.max() < values.shape[1] else None
    return values if values.ndim == 3 and len(values) == len(rows) else None


def check_maps(maps: Mapping[str, Any], images: NDArray[Any], names: Sequence[str]) -> dict[str, Explained]:
    """method -> its maps, checked; `raw` is filled in where it is not given."""
    if not isinstance(maps, Mapping):
        raise TypeError(f"maps must be a dictionary from method to [B, H, W]; got {type(maps).__name__}")
    if not maps:
        raise InputError("maps must hold at least one method; got an empty dictionary")
    checked = {}
    for method, given in maps.items():
        one = given if isinstance(given, Explained) else Explained(given)
        there = _check_there(one.there, method, len(names))
        values = _check_values("maps", method, _present(one.maps, there), images, names)
        raw = values if one.raw is None else _check_values("raw maps", method, _present(one.raw, there), images, names)
        if not isinstance(one.variants, Mapping):
            raise TypeError(
                f"the variants of {method!r} must be a dictionary from name to [B, H, W]; got "
                f"{type(one.variants).__name__}"
            )
        variants = {
            name: _check_values(f"variants {name!r}", method, other, images, names)
            for name, other in one.variants.items()
        }
        if one.explainer is not None and not callable(one.explainer):
            raise TypeError(
                f"the explainer of {method!r} must be a function of (classifier, images, labels); got "
                f"{type(one.explainer).__name__}"
            )
        checked[str(method)] = Explained(values, raw, variants, one.explainer, there)
    return checked


def _check_there(there: Any, method: str, count: int) -> NDArray[np.bool_] | None:
    if there is None:
        return None
    found = np.asarray(there)
    if found.shape != (count,) or found.dtype != np.bool_:
        raise InputError(f"there of {method!r} must be {count} bools, one per image; got {found.dtype} {found.shape}")
    return None if found.all() else found


def _present(values: Any, there: NDArray[np.bool_] | None) -> Any:
    """Maps with zeros where there are none."""
    try:
        values = np.asarray(detached(values))
    except ValueError as error:  # a list of maps of several sizes
        raise InputError(f"maps must be one array [B, H, W], all of one size: resize them ({error})") from None
    if there is None or len(values) != len(there):
        return values
    return np.where(there.reshape(-1, *[1] * (values.ndim - 1)), values, np.zeros((), values.dtype))


def _check_values(what: str, method: str, values: Any, images: NDArray[Any], names: Sequence[str]) -> NDArray[Any]:
    values = np.asarray(detached(values))
    if values.shape != images.shape[:3]:
        wanted, likely = images.shape[:3], ""
        channels = [axis for axis in (1, 3) if values.ndim == 4 and np.delete(values.shape, axis).tolist() == [*wanted]]
        if channels:
            likely = f": sum over the channels, maps.sum(axis={channels[0]})"
        elif values.ndim == 3 and len(values) == len(images):
            likely = ": resize them to the images"
        raise InputError(f"{what} of {method!r} must be [B, H, W] = {wanted} like images; got {values.shape}{likely}")
    if values.dtype != np.float64:
        if values.dtype.kind not in "fbiu" and values.dtype.name != "bfloat16":
            raise TypeError(f"{what} of {method!r} must be real numbers; got {values.dtype}")
        # Integers of more than 24 bits, and floats of more than 32, would collide in float32.
        wide = values.dtype.itemsize > (2 if values.dtype.kind in "iu" else 4)
        values = values.astype(np.float64 if wide else np.float32)
    broken = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
    if broken.size:
        raise InputError(
            f"{what} must be finite; the map of {method!r} for image {names[broken[0]]!r} holds NaN or infinity "
            f"({broken.size} of {len(names)} images): leave the image out or repair the map"
        )
    return values


def check_role(role: str | None, what: str, *, wanted: str = LESION_ROLE) -> None:
    """Raises InputError unless masks of this role are what is wanted.

    Example:
        >>> check_role("organ", "pointing_game")
        Traceback (most recent call last):
        xaijax._errors.InputError: pointing_game needs lesion masks; these masks have the role 'organ': ...
    """
    if role is not None and role not in ROLES:
        raise InputError(f"mask_role must be one of {', '.join(ROLES)}; got {role!r}")
    if role != wanted:
        raise InputError(
            f"{what} needs {wanted} masks; these masks have the role {role!r}: leave {what} out or give {wanted} masks"
        )


def check_masks(masks: Any, images: NDArray[Any]) -> dict[str | None, NDArray[np.bool_]]:
    """role -> `[B, H, W]` bool, from lesion masks, or from a dictionary by role."""
    if masks is None:
        return {}
    checked: dict[str | None, NDArray[np.bool_]] = {}
    for role, values in (masks if isinstance(masks, Mapping) else {LESION_ROLE: masks}).items():
        if role is not None and role not in ROLES:
            raise InputError(f"masks must have roles out of {', '.join(ROLES)}; got {role!r}")
        values = np.asarray(detached(values))
        if values.dtype not in (np.bool_, np.uint8):
            raise TypeError(f"masks must be bool or uint8; got {values.dtype}: give masks > 0")
        if values.shape != images.shape[:3]:
            raise InputError(f"masks must be [B, H, W] = {images.shape[:3]} like images; got {values.shape}")
        if values.dtype == np.uint8:
            _refuse_label_maps(values)
        checked[role] = values != 0
    return checked


def _refuse_label_maps(masks: NDArray[np.uint8]) -> None:
    """Refuses masks of more than two values, or of two without 0: which of them are inside is not known."""
    for one in masks:
        found = np.flatnonzero(np.bincount(one.ravel(), minlength=256))
        if len(found) > 2 or (len(found) == 2 and found[0]):
            shown = ", ".join(map(str, found[:5])) + (" ..." if len(found) > 5 else "")
            raise InputError(
                f"masks must be 0 outside and one other number inside; got the values {shown}: give masks == VALUE, or "
                "of soft edges masks > 127"
            )


def check_needs(
    metrics: Sequence[Metric],
    *,
    classifier: Any,
    masks: Mapping[str | None, Any],
    variants: Mapping[str, Mapping[str, Any]],
    explainers: Mapping[str, Callable[..., Any]],
) -> None:
    """Raises for the first metric that lacks what it needs."""
    for metric in metrics:
        name = metric.name
        for wanted in metric.roles:
            if not masks:
                raise InputError(f"{name} needs masks; got none: pass masks or leave {name} out")
            if wanted not in masks:
                check_role(next(iter(masks)), name, wanted=wanted)
        if "model" in metric.needs and not callable(getattr(classifier, "predict", None)):
            raise TypeError(
                f"{name} needs a classifier with predict(images); got {type(classifier).__name__}: give "
                "models.from_predict(function, ...), or an object with predict(images) that gives [B, K] probabilities "
                "of [B, H, W, C] float32 in [0, 1]"
            )
        if "model" in metric.needs:
            _check_own(classifier)
        if "explainer" in metric.needs and not explainers:
            raise InputError(
                f"{name} needs the methods themselves; got maps alone: pass Explained(maps, explainer=function of "
                f"(classifier, images, labels)) or leave {name} out"
            )
        if "variants" in metric.needs and not variants:
            raise InputError(
                f"{name} compares several maps of an image; got one: pass Explained(maps, variants={{variant: maps}}) "
                f"or leave {name} out"
            )


def _check_own(classifier: Any) -> None:
    """Refuses objects whose `predict` is another library's: its images and results are not those of `evaluate`."""
    library = str(getattr(classifier.predict, "__module__", "")).partition(".")[0]
    wanted = {"keras": "models.from_keras(model)", "sklearn": "models.from_predict(estimator, ...)"}
    if library in wanted:
        raise TypeError(
            f"predict of {type(classifier).__name__} is that of {library}, which takes other images than float32 in "
            f"[0, 1] and gives other results: give {wanted[library]}"
        )


def check_settings(settings: Mapping[str, Mapping[str, Any]] | None, families: Mapping[str, Family]) -> dict[str, Any]:
    """The settings of every family: what is given, and defaults.

    Raises:
        InputError: for unknown families and options, and for values that are not allowed.
    """
    if settings is not None and not isinstance(settings, Mapping):
        raise InputError(
            f"settings must be a dictionary from families of metrics to options; got {type(settings).__name__}"
        )
    given: dict[str, Mapping[str, Any]] = {}
    for name, options in (settings or {}).items():
        family = _names.match("metric family", name, families)
        if family in given:
            raise InputError(f"settings names the metric family {family} twice; name it once")
        if not isinstance(options, Mapping):
            raise InputError(f"settings of {family} must be a dictionary of options; got {type(options).__name__}")
        given[family] = options
    return {name: family.read_settings(given.get(name, {})) for name, family in families.items()}


def check_pool(pool: Any, images: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.integer]]:
    """Images and labels that mosaics are made with: of the size and dtype of the images that are scored.

    Raises:
        InputError: for anything else.
    """
    if not isinstance(pool, tuple | list) or len(pool) != 2:
        raise InputError(f"pool must be a pair (images, labels); got {type(pool).__name__}")
    given, labels = np.asarray(pool[0]), np.asarray(pool[1])
    if given.shape[1:] != images.shape[1:] or given.dtype != images.dtype:
        raise InputError(
            f"the images of pool must be like those that are scored, {images.dtype} of {images.shape[1:]}; got "
            f"{given.dtype} of {given.shape[1:]}"
        )
    if labels.shape != (len(given),) or labels.dtype.kind not in "iu":
        raise InputError(f"the labels of pool must be {len(given)} whole numbers; got {labels.dtype} of {labels.shape}")
    return given, labels
