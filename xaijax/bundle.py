"""Evidence bundles from Python: maps made by any library, to be scored by `xaijax bench --maps`.

    from xaijax import bundle
    bundle.write("maps/", images=ids, maps={"grad_cam": cams}, predictions=probabilities, classes=["glioma", "none"])

docs/bundle.md describes the folder. Nothing here imports JAX.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._outputs import detached
from xaijax._runs.bundle import Bundle, Row, Writer, read, writing
from xaijax.data.images import fingerprint

__all__ = ["Bundle", "read", "write"]


def write(
    out: str | Path,
    *,
    images: Sequence[str],
    maps: Mapping[str, Any],
    targets: Sequence[str | int] | str | int | None = None,
    predictions: Any = None,
    classes: Sequence[str] = (),
    pixels: Sequence[Any] | None = None,
    absolute: Collection[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    model: str | Mapping[str, Any] = "",
    overwrite: bool = False,
) -> Path:
    """Writes a bundle.

    Args:
        out: its folder; new or empty.
        images: `[N]` ids. `xaijax bench` matches them with the ids of its data: of a folder, the path of the file
            inside it, such as `"glioma/12.png"`.
        maps: method -> `[N, H, W]` numbers, raw: with their sign where the method has one. They cover the whole image,
            at any size. A row that is NaN everywhere is an image without a map.
        targets: the class that the maps explain, for each image or for all: a name, or a position in `classes`.
        predictions: `[N, K]` probabilities of the model.
        classes: `[K]` names.
        pixels: `[N]` decoded images, uint8 `[h, w]` or `[h, w, C]`, as they were read, before any resizing: their
            digests show later that the maps belong to the data.
        absolute: methods whose magnitude is the evidence, such as signed gradients. Without it larger values are more
            evidence.
        options: method -> its options, JSON values.
        model: its name, or what is known of it, JSON values.
        overwrite: replace a bundle that is there.

    Returns:
        The folder.

    Raises:
        InputError: for what does not fit together; nothing is written then.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "maps"
        >>> rng = np.random.default_rng(0)
        >>> path = write(folder, images=["a.png", "b.png"], maps={"Grad-CAM": rng.random((2, 7, 7))})
        >>> read(path).images, read(path).maps("Grad-CAM", [1]).shape
        (('a.png', 'b.png'), (1, 7, 7))
    """
    ids, names, known = [str(one) for one in images], list(maps), tuple(map(str, classes))
    if not isinstance(maps, Mapping) or not maps:
        raise InputError("maps must be a dictionary from method to [N, H, W] with at least one method")
    arrays = {name: _maps(name, values, len(ids)) for name, values in maps.items()}
    unknown = sorted((set(absolute) | set(options or {})) - set(names))
    if unknown:
        raise InputError(f"{unknown[0]} is not among the methods of maps: {', '.join(names)}")
    explained = _targets(targets, len(ids), known)
    chances = None if predictions is None else np.asarray(detached(predictions), np.float64)
    if chances is not None and (not known or chances.shape != (len(ids), len(known))):
        raise InputError(
            f"predictions must be [N, K] = ({len(ids)}, {len(known)}), images by classes; got {chances.shape}"
        )
    finite = np.zeros(1) if chances is None else chances[np.isfinite(chances)]
    low, high = finite.min(initial=0), finite.max(initial=1)
    if low < -1e-4 or high > 1 + 1e-4:
        raise InputError(
            f"predictions must be probabilities in [0, 1]; got {low:.3g} to {high:.3g}: are these logits? apply the "
            "softmax or the sigmoid of the model"
        )
    if pixels is not None and len(pixels) != len(ids):
        raise InputError(f"pixels must be {len(ids)} images, one per id; got {len(pixels)}")

    def fill(folder: Path) -> None:
        writer = Writer(folder, known)
        for at, image in enumerate(ids):
            row = Row(
                image,
                "" if pixels is None else _digest(pixels[at], image),
                explained[at],
                None if chances is None else chances[at].tolist(),
            )
            rows = {name: values[at] for name, values in arrays.items()}
            writer.add(row, {name: None if np.isnan(heat).all() else heat for name, heat in rows.items()})
        said = {"name": model} if isinstance(model, str) else dict(model)
        writer.finish(absolute=absolute, options=options, model=said if said.get("name", True) else {})

    writing(Path(out).expanduser(), fill, overwrite=overwrite)
    return Path(out)


def _maps(name: str, values: Any, count: int) -> np.ndarray:
    try:
        found = np.asarray(detached(values))
    except ValueError as error:  # a list of maps of several sizes
        raise InputError(f"the maps of {name} must be one array [N, H, W], all of one size ({error})") from None
    if found.ndim != 3 or len(found) != count or found.dtype.kind not in "fiu":
        raise InputError(
            f"the maps of {name} must be [N, H, W] numbers with N = {count}; got {found.dtype} {found.shape}"
        )
    return found


def _targets(given: Any, count: int, classes: Sequence[str]) -> list[str]:
    if given is None:
        return [""] * count
    several = [given] * count if isinstance(given, str) or np.ndim(detached(given)) == 0 else list(detached(given))
    if len(several) != count:
        raise InputError(f"targets must be one class, or {count}, one per image; got {len(several)}")
    found = []
    for one in several:
        if not isinstance(one, str):
            place = np.asarray(one)
            if place.ndim or place.dtype.kind not in "iuf" or place != np.rint(place):
                raise InputError(
                    f"the target {one!r} is not a class: give a name or a whole number for each image (of one-hot rows "
                    "their argmax)"
                )
            if not classes or not 0 <= int(place) < len(classes):
                raise InputError(f"the target {one} is not a position in classes, which has {len(classes)}")
            one = classes[int(place)]
        elif classes and one not in classes:
            raise InputError(f"the target {one!r} is not among the classes {', '.join(classes)}")
        found.append(one)
    return found


def _digest(image: Any, name: str) -> str:
    values = np.asarray(image)
    values = values[..., None] if values.ndim == 2 else values
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3):
        raise InputError(
            f"the pixels of {name!r} must be uint8 [h, w] or [h, w, 1 or 3]; got {values.dtype} {values.shape}"
        )
    return fingerprint(values)
