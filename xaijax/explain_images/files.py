"""What `xaijax explain` writes: names of files that never collide, and one file for each image, method and format."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax.data import saving
from xaijax.explain_images.config import BUNDLE, SUFFIXES, ExplainConfig
from xaijax.explain_images.maps import Explained

DICOM = ("dicom-sc", "dicom-seg", "dicom-pm")


def stems(paths: Sequence[Path]) -> list[str]:
    """The names of images without their suffix, numbered where two would share one (in capitals or not).

    Example:
        >>> stems([Path("a/x.png"), Path("b/X.png"), Path("y.jpg"), Path("c/x-2.png")])
        ['x', 'X-2', 'y', 'x-2-2']
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        name, count = path.stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{path.stem}-{count}"
        taken.add(name.casefold())
        names.append(name)
    return names


def ids(paths: Sequence[Path]) -> list[str]:
    """The ids of images in a bundle: folder and file, as in data sets of class folders; the whole path where two agree.

    Example:
        >>> ids([Path("brain/glioma/1.png"), Path("brain/none/1.png"), Path("scan.png")])
        ['glioma/1.png', 'none/1.png', 'scan.png']
    """
    short = [_text("/".join(path.parts[-2:]) if len(path.parts) > 1 else path.name) for path in paths]
    return [name if short.count(name) == 1 else _text(path.as_posix()) for name, path in zip(short, paths, strict=True)]


def _text(path: str) -> str:
    """A path as Unicode: bytes that are none become the replacement character."""
    return os.fsencode(path).decode("utf-8", "replace")


def targets(config: ExplainConfig, stem: str) -> dict[tuple[str, str], Path]:
    """{(method, format): file} of one image."""
    from xaijax.explain._completeness import complete_methods

    kinds: list[str] = [kind for kind in dict.fromkeys(config.save) if kind != BUNDLE]
    found = {(m, kind): config.out / f"{stem}.{m}{SUFFIXES[kind]}" for m in config.methods for kind in kinds}
    if config.uncertainty and "png" in kinds:
        drawn = (m for m in config.methods if m not in complete_methods())
        found |= {(m, "errors"): config.out / f"{stem}.{m}{SUFFIXES['errors']}" for m in drawn}
    return found


def check_free(config: ExplainConfig, names: Sequence[str]) -> None:
    """Refuses files that are there already, without `--overwrite`."""
    from xaijax._runs import bundle
    from xaijax.explain_images import layers, several

    if layers.is_all(config):
        wanted = layers.targets(config)
    elif len(config.model) > 1:
        wanted = several.targets(config, names)
    else:
        wanted = [path for name in names for path in targets(config, name).values()]
    wanted += [] if config.table is None else [config.table]
    existing = next((path for path in wanted if path.exists()), None)
    if existing is not None and not config.overwrite:
        raise InputError(f"{existing} is there already; add --overwrite, or name another place with --out")
    if BUNDLE not in config.save:
        return
    place = config.out / BUNDLE
    if (place / bundle.MANIFEST).is_file() and not config.overwrite:
        raise InputError(f"{place} is there already; add --overwrite, or name another place with --out")
    bundle.check_out(place, overwrite=config.overwrite)


def check_sources(config: ExplainConfig, paths: Sequence[Path]) -> None:
    """Refuses images that are not DICOM where DICOM objects are to reference them."""
    wanted = next((kind for kind in config.save if kind in DICOM), None)
    other = None if wanted is None else next((path for path in paths if not saving.is_dicom(path)), None)
    if other is not None:
        raise InputError(
            f"--save {wanted} references the study of a DICOM image, and {other} is not DICOM: leave out one of the two"
        )


def write(
    config: ExplainConfig, path: Path, stem: str, found: Explained, series: saving.Series, model: str
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Writes the files of one image.

    Returns:
        The files, and (file, reason) of those that could not be made.
    """
    header: Any = None
    written: list[Path] = []
    failed: list[tuple[Path, str]] = []
    if set(config.save) & set(DICOM):
        try:
            header = saving.read_header(path, "its image")
        except InputError as error:
            failed.append((path, str(error)))
    for (method, kind), target in targets(config, stem).items():
        if kind in DICOM and header is None:
            continue
        one = found.saved(method, _text(stem), model)
        try:
            _WRITERS[kind](config, target, one, found, header, series)
            written.append(target)
        except InputError as error:
            # The file's name says which image it is; without it the same reason can be counted over images.
            failed.append((target, str(error).replace(one.image, "its image", 1)))
    return written, failed


def _png(config: ExplainConfig, path: Path, one: Any, found: Explained, header: Any, series: Any) -> None:
    saving.save_png(path, found.overlay(one, config, whole=False))


def _errors(config: ExplainConfig, path: Path, one: Any, found: Explained, header: Any, series: Any) -> None:
    drawn = found.drawn_error(one.method)
    write_whole(path, lambda file: file.write(drawn))


def _nifti(config: ExplainConfig, path: Path, one: Any, found: Explained, header: Any, series: Any) -> None:
    if saving.is_nifti(found.path):
        saving.save_nifti(path, _as_stored(one, found), saving.slice_of(found.path))
    else:
        saving.save_nifti(path, one)


def _dicom_sc(config: ExplainConfig, path: Path, one: Any, found: Explained, header: Any, series: Any) -> None:
    drawn = found.overlay(one, config, whole=True)
    drawn = np.ascontiguousarray(drawn.transpose(1, 0, 2)) if found.transposed else drawn
    saving.save_dicom_sc(path, _as_stored(one, found), drawn, header, series)


def _dicom_seg(config: ExplainConfig, path: Path, one: Any, found: Explained, header: Any, series: Any) -> None:
    stored = _as_stored(one, found)
    saving.save_dicom_seg(path, stored, header, series, top=config.mark_top, threshold=config.mark_from)


def _dicom_pm(config: ExplainConfig, path: Path, one: Any, found: Explained, header: Any, series: Any) -> None:
    saving.save_dicom_pm(path, _as_stored(one, found), header, series)


def _as_stored(one: saving.SavedMap, found: Explained) -> saving.SavedMap:
    """The map on the pixels that the file stores, for formats that lie on them."""
    return one.transposed() if found.transposed else one


_WRITERS: dict[str, Callable[..., None]] = {
    "png": _png,
    "npz": lambda config, path, one, *rest: saving.save_npz(path, one),
    "tiff": lambda config, path, one, *rest: saving.save_tiff(path, one),
    "nifti": _nifti,
    "dicom-sc": _dicom_sc,
    "dicom-seg": _dicom_seg,
    "dicom-pm": _dicom_pm,
    "errors": _errors,
}


def as_png(drawn: np.ndarray) -> bytes:
    """An overlay as the bytes of a PNG."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(drawn).save(out, "PNG")
    return out.getvalue()
