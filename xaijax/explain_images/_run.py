"""`xaijax explain`: heat maps drawn over images, one PNG per image and method."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import _names, _options
from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax._runs.options import use_device
from xaijax.explain_images.config import ExplainConfig, check


def run(config: ExplainConfig) -> int:
    """Writes the overlays at the size of the images and prints what the model predicts.

    Args:
        config: what to draw.

    Returns:
        0, or 2 where an image could not be read (the others are drawn all the same).

    Raises:
        InputError: where nothing can be drawn; one sentence says why.
    """
    from rich.console import Console
    from rich.table import Table

    config = check(config)
    paths = find_images(config.images)
    if not _all(config):
        _refuse_existing(config, paths)
    use_device(config)
    from xaijax._runs.models import open_one
    from xaijax.explain import METHODS, methods

    known = methods(without="masks")
    notes: list[str] = []
    classifier = open_one(config.model, config, notes)
    for note in notes:
        Console(stderr=True).print(f"note: {note}", highlight=False, soft_wrap=True)
    if _all(config):
        chosen = tuple(name for name in known if METHODS[name].allowed_by(classifier))
    else:
        chosen = _names.match_all("method", config.methods, known)
    config = dataclasses.replace(config, methods=chosen)
    _refuse_existing(config, paths)
    options = _options.from_texts(config.set, {name: method.kinds for name, method in METHODS.items()}, used=chosen)
    if config.target != "predicted" and config.target not in classifier.targets:
        raise InputError(
            f"--target is {config.target!r}, which is not a class of model {config.model}: "
            f"{_names.closest(config.target, ['predicted', *classifier.targets])}"
        )
    if config.model == _names.BUILTIN:
        note = "the built-in model was trained on generated brain MRI: on other images its classes mean nothing"
        Console(stderr=True).print(f"note: {note}", highlight=False, soft_wrap=True)

    table = Table(box=None)
    for heading in ("image", "predicted", "probability", "explained", "written to"):
        table.add_column(heading, overflow="fold")
    failed: list[tuple[Path, str]] = []
    columns: list[dict[str, np.ndarray]] = []
    for number, path in enumerate(paths):
        targets = {method: config.out / names_for(paths, method)[number] for method in config.methods}
        try:
            label, chance, explained, pictures = _draw(path, classifier, config, options, targets)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            failed.append((path, " ".join(str(error).split())))
            continue
        columns.append(pictures)
        names = classifier.targets
        table.add_row(str(path), names[label], f"{chance:.3f}", names[explained], ", ".join(map(str, targets.values())))
    if table.row_count:
        Console().print(table)
        if config.table is not None:
            _write_gallery(config.table, columns)
    elif failed:
        raise InputError(f"no image could be explained; the first, {failed[0][0]}: {failed[0][1]}")
    errors = Console(stderr=True)
    for path, reason in failed:
        errors.print(f"skipped {path}: {reason}", highlight=False, markup=False, soft_wrap=True)
    return 2 if failed else 0


def find_images(given: tuple[Path, ...]) -> list[Path]:
    """Image files among the given files and (not below) the given folders, in order."""
    from xaijax.data.files import is_image

    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.is_file() and is_image(file))
            if not inside:
                raise InputError(f"the folder {path} holds no images")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"the image {path} does not exist")
    return list(dict.fromkeys(found))


def names_for(paths: list[Path], method: str) -> list[str]:
    """File names of the overlays: the image's name, numbered where two images share it, and the method.

    Example:
        >>> names_for([Path("a/x.png"), Path("b/x.png"), Path("y.jpg")], "grad_cam")
        ['x.grad_cam.png', 'x-2.grad_cam.png', 'y.grad_cam.png']
    """
    seen: dict[str, int] = {}
    names = []
    for path in paths:
        count = seen[path.stem] = seen.get(path.stem, 0) + 1
        names.append(f"{path.stem}{f'-{count}' if count > 1 else ''}.{method}.png")
    return names


def _write_gallery(path: Path, columns: list[dict[str, np.ndarray]]) -> None:
    from PIL import Image

    from xaijax.plot import picture_table

    table = Image.fromarray(picture_table([(name, [column[name] for column in columns]) for name in columns[0]]))
    write_whole(path, lambda file: table.save(file, "PNG", optimize=True))
    print(f"picture table written to {path}")


def _all(config: ExplainConfig) -> bool:
    return len(config.methods) == 1 and _names.normal(config.methods[0]) == "all"


def _refuse_existing(config: ExplainConfig, paths: list[Path]) -> None:
    there = [config.out / name for method in config.methods for name in names_for(paths, method)]
    there += [] if config.table is None else [config.table]
    existing = [path for path in there if path.exists()]
    if existing and not config.overwrite:
        raise InputError(f"{existing[0]} is there already; add --overwrite, or name another place with --out")


def _draw(
    path: Path, classifier: Any, config: ExplainConfig, options: dict[str, dict[str, Any]], targets: dict[str, Path]
) -> tuple[int, float, int, dict[str, np.ndarray]]:
    """Writes the overlays of one image.

    Returns the predicted class, its probability, the explained class, and one column of the gallery: the picture, and
    the overlay of each method, at the size that the model takes.
    """
    from PIL import Image

    from xaijax.data.files import read_image
    from xaijax.data.images import resize_image, with_channels
    from xaijax.explain import METHODS
    from xaijax.plot import overlay, to_rgb

    image = read_image(path)
    height, width, channels = classifier.input_shape
    if config.crop:
        image = central(image, height / width)
    batch = resize_image(with_channels(image, channels), (height, width))[None]
    chances = np.asarray(classifier.predict(batch))[0]
    label = 0 if classifier.output == "regression" else int(chances.argmax())
    explained = label if config.target == "predicted" else classifier.targets.index(config.target)
    column = {} if config.bare else {"image": to_rgb(batch[0])}
    labels = np.array([explained], np.int32)
    for method, target in targets.items():
        given = {"seed": config.seed, "batch_size": config.batch_size} | options.get(method, {})
        heat = METHODS[method].evidence(METHODS[method].maps(classifier, batch, labels, **given))[0]
        if not np.isfinite(heat).all():
            raise InputError(f"the method {method} gives NaN or infinity for {path}; check the model {config.model}")
        # Overlays have the size of the image, so the map is brought to it, not the image to the map.
        large = Image.fromarray(heat.astype(np.float32)).resize(image.shape[1::-1], Image.Resampling.BILINEAR)
        behind = np.zeros_like(image) if config.bare else image
        picture = Image.fromarray(overlay(behind, np.asarray(large), opacity=config.opacity))
        column[method] = overlay(np.zeros_like(batch[0]) if config.bare else batch[0], heat, opacity=config.opacity)
        write_whole(target, lambda file, picture=picture: picture.save(file, "PNG"))  # type: ignore[misc]
    return label, float(chances[label]), explained, column


def central(image: np.ndarray, proportion: float) -> np.ndarray:
    """The largest central part `[h, w, C]` with `h / w` nearest to the proportion.

    Example:
        >>> central(np.zeros((10, 30, 3)), 0.5).shape
        (10, 20, 3)
    """
    height, width = image.shape[:2]
    h, w = min(height, max(1, round(width * proportion))), min(width, max(1, round(height / proportion)))
    top, left = (height - h) // 2, (width - w) // 2
    return image[top : top + h, left : left + w]
