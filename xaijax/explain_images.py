"""`xaijax explain`: heat maps drawn over images, one PNG per image and method."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from xaijax.bench.plan import InputError, check_names, closest


@dataclasses.dataclass(frozen=True)
class ExplainConfig:
    """Draw heat maps of a classifier over images, as PNG."""

    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them."""

    model: str = "builtin"
    """A checkpoint; "builtin" is the small network that was trained on the phantoms."""

    method: tuple[str, ...] = ("grad_cam",)
    """One or several explanation methods."""

    out: Path = Path("explanations")
    """Folder for the overlays."""

    target: str = "predicted"
    """The class to explain: "predicted", or a class of the model by its name."""

    opacity: float = 0.75
    """How much the strongest evidence covers the image, 0 to 1."""

    seed: int = 0
    """Seed of random methods."""

    batch_size: int = 64
    """Images in one model call, perturbed ones included: bounds the memory."""

    overwrite: bool = False
    """Replace overlays that are there already."""


def run_explain(config: ExplainConfig) -> int:
    """Writes the overlays at the size of the images and prints what the model predicts.

    Args:
        config: What to draw.

    Returns:
        0, or 2 where an image could not be read (the others are drawn all the same).

    Raises:
        InputError: Nothing can be drawn; one sentence says why.
    """
    from rich.console import Console
    from rich.table import Table

    if not 0 <= config.opacity <= 1:
        raise InputError(f"--opacity is {config.opacity}; it must lie between 0 and 1")
    paths = find_images(config.images)
    _check_out(config, paths)
    from xaijax import models
    from xaijax.bench.inputs import BUILTIN, GROUND_TRUTH
    from xaijax.explain import METHODS

    check_names("method", config.method, [name for name in METHODS if name not in GROUND_TRUTH])
    classifier = models.builtin() if config.model == BUILTIN else models.load(config.model)
    if config.target != "predicted" and config.target not in classifier.classes:
        raise InputError(
            f"model {config.model} has no class {config.target!r}: {closest(config.target, classifier.classes)}"
        )

    table = Table(box=None)
    for heading in ("image", "predicted", "probability", "explained", "written to"):
        table.add_column(heading, overflow="fold")
    failed: list[tuple[Path, str]] = []
    for number, path in enumerate(paths):
        targets = {method: config.out / names_for(paths, method)[number] for method in config.method}
        try:
            label, chance, explained = _draw(path, classifier, config, targets)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            failed.append((path, " ".join(str(error).split())))
            continue
        names = classifier.classes
        table.add_row(str(path), names[label], f"{chance:.3f}", names[explained], ", ".join(map(str, targets.values())))
    if table.row_count:
        Console().print(table)
    elif failed:
        raise InputError(f"no image could be explained; the first, {failed[0][0]}: {failed[0][1]}")
    errors = Console(stderr=True)
    for path, reason in failed:
        errors.print(f"skipped {path}: {reason}", highlight=False, markup=False, soft_wrap=True)
    return 2 if failed else 0


def find_images(given: tuple[Path, ...]) -> list[Path]:
    """Image files among the given files and (not below) the given folders, in order."""
    from xaijax.data.files import is_image

    if not given:
        raise InputError("no image was given; name image files or a folder of them")
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


def _check_out(config: ExplainConfig, paths: list[Path]) -> None:
    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"{config.out} is a file; name a folder with --out")
    there = [config.out / name for method in config.method for name in names_for(paths, method)]
    existing = [path for path in there if path.exists()]
    if existing and not config.overwrite:
        raise InputError(f"{existing[0]} is there already; add --overwrite, or name another folder with --out")


def _draw(path: Path, classifier: Any, config: ExplainConfig, targets: dict[str, Path]) -> tuple[int, float, int]:
    """Writes the overlays of one image; returns the predicted class, its probability, and the explained class."""
    from PIL import Image

    from xaijax.bench.part import as_evidence, run_method
    from xaijax.bench.store import write_whole
    from xaijax.data.files import read_image
    from xaijax.data.images import resize_image, with_channels
    from xaijax.overlay import overlay

    image = read_image(path)
    height, width, channels = classifier.input_shape
    batch = resize_image(with_channels(image, channels), (height, width))[None]
    chances = np.asarray(classifier.predict(batch))[0]
    label = int(chances.argmax())
    explained = label if config.target == "predicted" else classifier.classes.index(config.target)
    for method, target in targets.items():
        maps = run_method(method, classifier, batch, np.array([explained], np.int32), config.seed, config.batch_size)
        heat = as_evidence(method, maps)[0]
        if not np.isfinite(heat).all():
            raise InputError(f"the method {method} gives NaN or infinity for {path}; check the model {config.model}")
        # Overlays have the size of the image, so the map is brought to it, not the image to the map.
        large = Image.fromarray(heat.astype(np.float32)).resize(image.shape[1::-1], Image.Resampling.BILINEAR)
        picture = Image.fromarray(overlay(image, np.asarray(large), opacity=config.opacity))
        write_whole(target, lambda file, picture=picture: picture.save(file, "PNG"))  # type: ignore[misc]
    return label, float(chances[label]), explained
