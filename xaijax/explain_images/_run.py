"""`xaijax explain`: heat maps drawn over images, and maps as files, for each image and method."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax import _names, _options
from xaijax._errors import InputError
from xaijax._files import refuse_full, write_whole
from xaijax._runs.options import use_device
from xaijax.explain_images.config import BUNDLE, SUFFIXES, ExplainConfig, check

if TYPE_CHECKING:
    from xaijax._runs.bundle import Writer
    from xaijax.explain_images.maps import Explained


def run(config: ExplainConfig) -> int:
    """Writes overlays and maps of images and prints what the model predicts.

    Args:
        config: what to draw.

    Returns:
        0, or 2 where an image could not be read or a file not be made (the others are written all the same).

    Raises:
        InputError: where nothing can be drawn; one sentence says why.
    """
    from rich.console import Console

    from xaijax.explain_images import files, layers, several, sure

    config = check(config)
    layers.check(config)
    several.check(config)
    paths = find_images(config.images)
    names = files.stems(paths)
    if not _all(config):
        files.check_free(config, names)
    files.check_sources(config, paths)
    use_device(config)
    from xaijax._runs import bundle
    from xaijax._runs.data import reading_notes
    from xaijax._runs.models import open_one
    from xaijax.explain import METHODS, methods

    known = sure.allowed() if config.uncertainty and _all(config) else methods(without="masks")
    notes: list[str] = []
    asked = dataclasses.replace(config, layer=None) if layers.is_all(config) else config
    classifiers = [open_one(model, asked, notes) for model in config.model]
    classifier = classifiers[0]
    for model in config.model:
        notes += [note for note in reading_notes(config, model) if note not in notes]
    for note in notes:
        Console(stderr=True).print(f"note: {note}", highlight=False, soft_wrap=True)
    if _all(config):
        known = layers.with_layer(known) if layers.is_all(config) else known
        chosen = tuple(name for name in known if all(METHODS[name].allowed_by(one) for one in classifiers))
    else:
        chosen = _names.match_all("method", config.methods, known)
    if config.uncertainty:
        sure.check(config, chosen)
    config = dataclasses.replace(config, methods=chosen)
    files.check_free(config, names)
    options = _options.from_texts(config.set, {name: method.kinds for name, method in METHODS.items()}, used=chosen)
    if config.target == "label" and "label" not in classifier.targets:
        some = ", ".join(classifier.targets[:5]) + (" ..." if len(classifier.targets) > 5 else "")
        raise InputError(
            "--target label explains the true class, and images that are given as files have no label: give --target "
            f"predicted, or a class of the model ({some})"
        )
    if config.target != "predicted" and config.target not in classifier.targets:
        raise InputError(
            f"--target is {config.target!r}, which is not a class of model {config.model[0]}: "
            f"{_names.closest(config.target, ['predicted', *classifier.targets])}"
        )
    if _names.BUILTIN in config.model:
        note = "the built-in model was trained on generated brain MRI: on other images its classes mean nothing"
        Console(stderr=True).print(f"note: {note}", highlight=False, soft_wrap=True)

    failed: list[tuple[Path, str]] = []
    if layers.is_all(config):
        failed += layers.run(config, paths, names, classifier, options)
    elif len(classifiers) > 1:
        failed += several.run(config, paths, names, classifiers, options)
    elif BUNDLE in config.save:
        place = config.out / BUNDLE

        def fill(folder: Path) -> None:
            failed.extend(_work(config, paths, names, classifier, options, bundle.Writer(folder, classifier.targets)))

        bundle.writing(place, fill, overwrite=config.overwrite)
        if not config.json:
            print(f"bundle written to {place}: xaijax bench --maps {place} scores it")
    else:
        failed += _work(config, paths, names, classifier, options, None)
    errors = Console(stderr=True)
    for line in folded(failed, "file"):
        errors.print(f"skipped {line}", highlight=False, markup=False, soft_wrap=True)
    return 2 if failed else 0


def _work(
    config: ExplainConfig,
    paths: Sequence[Path],
    names: Sequence[str],
    classifier: Any,
    options: dict[str, dict[str, Any]],
    writer: "Writer | None",
) -> list[tuple[Path, str]]:
    """Explains and writes image by image; returns what failed and why."""
    from rich.console import Console

    from xaijax._runs.models import digest
    from xaijax.data.images import reason
    from xaijax.data.saving import Series
    from xaijax.explain_images import files
    from xaijax.explain_images.maps import explain_image

    rows: list[dict[str, Any]] = []
    said: dict[str, Any] = {"name": _names.short(config.model)[0], "digest": digest(classifier.params)}
    said["input_shape"] = list(classifier.input_shape)
    model = f"{said['name']}, parameters {said['digest']}"
    series = Series()
    failed: list[tuple[Path, str]] = []
    noted: list[tuple[Path, str]] = []
    columns: list[dict[str, np.ndarray]] = []
    for path, name, image in zip(paths, names, files.ids(paths), strict=True):
        try:
            found = explain_image(path, classifier, config, options)
            written, refused = files.write(config, path, name, found, series, model)
        except (OSError, ValueError) as error:
            refuse_full(error)
            if isinstance(error, InputError):
                raise
            failed.append((path, reason(error)))
            continue
        failed += refused
        noted += [(path, note) for note in found.notes]
        if config.table is not None:
            columns.append(found.column(config))
        if writer is not None:
            _add(writer, image, name, found, config, model)
        rows.append(
            {
                "image": image,
                "predicted": classifier.targets[found.predicted],
                "probability": float(found.chances[found.predicted]),
                "explained": classifier.targets[found.explained],
                "files": [str(one) for one in written],
                "errors": {method: one.describe() for method, one in found.errors.items()},
                "words": {method: one.words() for method, one in found.errors.items()},
            }
        )
    if not rows:
        raise InputError(f"no image could be explained; the first, {failed[0][0]}: {failed[0][1]}")
    _say(config, rows)
    for line in folded(noted, "image"):
        Console(stderr=True).print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)
    if config.table is not None:
        _write_gallery(config.table, columns, quiet=config.json)
    if writer is not None:
        from xaijax.explain import METHODS

        magnitude = [m for m in config.methods if METHODS[m].signed and METHODS[m].family == "gradient"]
        run = {"key": config.seed, "batch_size": config.batch_size}
        used = {m: _options_in_use(METHODS[m].options, run, options.get(m, {})) for m in config.methods}
        covers = "centre" if config.crop else "image"
        writer.finish(absolute=magnitude, options=used, model=said, covers=covers)
    return failed


def _say(config: ExplainConfig, rows: Sequence[dict[str, Any]]) -> None:
    """Prints what the model predicts and how sure the maps are."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if config.json:
        print(json.dumps([{key: value for key, value in row.items() if key != "words"} for row in rows], indent=2))
        return
    table = Table(box=None)
    for heading in ("image", "predicted", "probability", "explained", "files"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        chance = f"{row['probability']:.3f}"
        listed = _listed([Path(one) for one in row["files"]])
        table.add_row(Text(row["image"]), row["predicted"], chance, row["explained"], Text(listed))
    Console().print(table)
    if config.uncertainty:
        errors = Table(box=None)
        for heading in ("image", "method", "error of the map"):
            errors.add_column(heading, overflow="fold")
        for row in rows:
            for method, words in row["words"].items():
                errors.add_row(Text(row["image"]), method, words)
        Console().print(errors)
    if {*config.save} - {BUNDLE}:
        print(f"written to {config.out}")


def folded(said: Sequence[tuple[Path, str]], what: str) -> list[str]:
    """A line for each thing that was said of files, with their number and the first of them.

    Example:
        >>> folded([(Path("a.png"), "damaged"), (Path("b.png"), "damaged"), (Path("c.png"), "empty")], "file")
        ['2 files, such as a.png: damaged', 'c.png: empty']
    """
    alike: dict[str, list[Path]] = {}
    for path, why in said:
        alike.setdefault(why, []).append(path)
    return [
        f"{paths[0]}: {why}" if len(paths) == 1 else f"{len(paths)} {what}s, such as {paths[0]}: {why}"
        for why, paths in alike.items()
    ]


def _listed(written: Sequence[Path]) -> str:
    """Files of one image in short: those of a method that differ in their ending alone are one entry."""
    found: dict[str, list[str]] = {}
    for path in written:
        ending = next(end for end in sorted(SUFFIXES.values(), key=len, reverse=True) if path.name.endswith(end))
        found.setdefault(path.name[: -len(ending)], []).append(ending)
    return ", ".join(f"{stem}{', '.join(endings)}" for stem, endings in found.items()) or "–"


def _add(writer: "Writer", image: str, name: str, found: "Explained", config: ExplainConfig, model: str) -> None:
    """One image of the bundle."""
    from xaijax._runs.bundle import Row
    from xaijax.data.images import fingerprint
    from xaijax.explain_images import files

    row = Row(
        image,
        fingerprint(found.image),
        found.classes[found.explained],
        [float(chance) for chance in found.chances],
    )
    plain = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name)
    drawn = {
        # Numbered: other letters may have become one.
        f"{len(writer):04d} {plain}.{method}.png": files.as_png(
            found.overlay(found.saved(method, name, model), config, whole=False)
        )
        for method in config.methods
    }
    errors = {method: one.error for method, one in found.errors.items() if one.error is not None}
    writer.add(row, dict(found.raw), drawn, errors)


def _options_in_use(defaults: Mapping[str, Any], run: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a method as JSON values: its defaults, over them those of the run, over them those given."""
    found = {}
    for name, value in (dict(defaults) | {key: run[key] for key in run if key in defaults} | dict(given)).items():
        try:
            found[name] = json.loads(json.dumps(value))
        except (TypeError, ValueError):
            found[name] = repr(value)
    return found


def find_images(given: tuple[Path, ...]) -> list[Path]:
    """Image files among the given files and (not below) the given folders, in order."""
    from xaijax.data.files import looks_like_image

    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.is_file() and looks_like_image(file))
            if not inside:
                raise InputError(f"the folder {path} holds no images")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"the image {path} does not exist")
    return list(dict.fromkeys(found))


def _write_gallery(path: Path, columns: list[dict[str, np.ndarray]], *, quiet: bool) -> None:
    from PIL import Image

    from xaijax.plot import image_table

    table = Image.fromarray(image_table([(name, [column[name] for column in columns]) for name in columns[0]]))
    write_whole(path, lambda file: table.save(file, "PNG", optimize=True))
    if not quiet:
        print(f"table of overlays written to {path}")


def _all(config: ExplainConfig) -> bool:
    return len(config.methods) == 1 and _names.normal(config.methods[0]) == "all"
