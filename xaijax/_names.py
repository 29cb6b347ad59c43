"""Names as people write them: matching without case, spaces, hyphens and underscores, and suggestions.

`Grad-CAM`, `gradcam` and `grad_cam` are one name; so are `Grad-CAM++`, `GradCAM++` and `grad_cam_pp`.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from xaijax._errors import InputError

BUILTIN = "builtin"  # the model that comes with the package; `xaijax.models.BUILTIN`


def normal(name: str) -> str:
    """A name in the form that is compared: lower case, letters and digits alone, "++" as "pp".

    Example:
        >>> normal("Grad-CAM++"), normal("Integrated Gradients"), normal("top15_energy")
        ('gradcampp', 'integratedgradients', 'top15energy')
    """
    return re.sub(r"[^\w]|_", "", name.lower().replace("++", "pp"))


def match(kind: str, name: str, known: Iterable[str]) -> str:
    """The known name that is meant.

    Args:
        kind: what it names, for the message: "method", "metric", "model", "class".
        name: as it was typed.
        known: the names to choose from. An exact one wins; else the normal forms are compared.

    Returns:
        One of `known`.

    Raises:
        InputError: for a name that means none of them, with the closest ones.

    Example:
        >>> match("method", "GradCAM++", ["grad_cam", "grad_cam_pp"])
        'grad_cam_pp'
        >>> match("method", "gradcan", ["grad_cam", "sobel"])
        Traceback (most recent call last):
        xaijax._errors.InputError: unknown method 'gradcan': did you mean grad_cam?
    """
    known = list(known)
    if name in known:
        return name
    if isinstance(name, str):
        meant = [one for one in known if normal(one) == normal(name)]
        if len(meant) == 1:
            return meant[0]
    raise InputError(f"unknown {kind} {name!r}: {closest(str(name), known)}")


def match_all(kind: str, names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The known names that are meant, in the order given; none at all, unknown and repeated ones are refused.

    Example:
        >>> match_all("method", ["Sobel", "Grad-CAM"], ["grad_cam", "sobel"])
        ('sobel', 'grad_cam')
    """
    known = list(known)
    if not names:
        raise InputError(f"no {kind} was given; choose from {', '.join(known)}")
    found = tuple(match(kind, name, known) for name in names)
    for name in found:
        if found.count(name) > 1:
            raise InputError(f"{kind} {name!r} was given twice; name it once")
    return found


def closest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """The phrase that follows an unknown name: the closest known ones, else all of them.

    Example:
        >>> closest("gradcam", ["grad_cam", "sobel"]), closest("xyz", ["grad_cam", "sobel"])
        ('did you mean grad_cam?', 'choose from grad_cam, sobel')
    """
    known = list(known)
    by_form = {normal(one): one for one in reversed(known)}
    near = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    if not near:
        near = [by_form[form] for form in difflib.get_close_matches(normal(name), by_form, n=count, cutoff=0.5)]
    return f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(sorted(known))}"


def short(paths: Sequence[str]) -> tuple[str, ...]:
    """Short and unique names of files and folders: a file or folder name, with the folder above where two agree.

    Example:
        >>> short(["builtin", "runs/a/model.safetensors", "runs/b/model.safetensors"])
        ('builtin', 'a-model', 'b-model')
    """
    stems = [Path(str(path).rstrip("/\\")) for path in paths]
    found = [stem.stem or "model" for stem in stems]
    found = [
        f"{stem.parent.name}-{name}" if found.count(name) > 1 and stem.parent.name else name
        for stem, name in zip(stems, found, strict=True)
    ]
    unique: list[str] = []
    for name in found:
        candidate, count = name, 1
        while candidate in unique:
            count += 1
            candidate = f"{name}-{count}"
        unique.append(candidate)
    return tuple(unique)
