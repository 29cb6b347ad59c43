"""The description of a data set as lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SHOWN = 12  # entries of a list


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a description.

    Args:
        found: of `Summary.describe`, with "warnings", "options" and "found" (see `Found.describe`).

    Yields:
        Lines: a heading, then what belongs to it, indented.
    """
    files = found["found"]
    classes = _counted(len(found["classes"]), "class", "classes")
    yield f"{found['name']}: {_counted(found['images'], 'image')}, {classes}"
    for warning in found["warnings"]:
        yield f"warning: {warning}"
    if files:
        taken = ", ".join(f"{count} as {kind}" for kind, count in files["taken"].items()) or "none"
        left = sum(one["count"] for one in files["left_out"].values())
        yield f"layout: {files['layout']}"
        yield f"files: {files['files']} seen, {taken}, {left} left out"
        yield from _indented(
            f"{one['count']} left out: {reason} ({_names(one['examples'], one['count'])})"
            for reason, one in files["left_out"].items()
        )
        for reason, one in files["rows_left_out"].items():
            yield f"  {_counted(one['count'], 'row')} left out: {reason} ({_names(one['examples'], one['count'])})"
    yield "classes:"
    yield from _indented(_cut([f"{name}: {count}" for name, count in found["classes"].items()]))
    for name, count in found["unknown_findings"].items():
        yield f"  {name}: not known of {count}"
    if found["groups"] is not None:
        groups = found["groups"]
        yield f"groups: {groups['count']} (patients or the like), at most {_counted(groups['largest'], 'image')} in one"
    else:
        yield "groups: none known; images of one patient may be on both sides of a split"
    for side, classes in found["splits"].items():
        inside = ", ".join(f"{name} {count}" for name, count in classes.items() if count)
        yield f"split {side}: {_counted(sum(classes.values()), 'image')} ({_short(inside)})"
    for leak in found["leaks"]:
        yield f"  warning: {leak}"
    yield from _decoded(found)
    if files and files["notes"]:
        yield "notes:"
        yield from _indented(files["notes"])


def _decoded(found: Mapping[str, Any]) -> Iterator[str]:
    """What reading the images told."""
    if not found["decoded"] and not found["unreadable"]:
        return
    yield f"decoded: {found['decoded']} of {found['images']}"
    sizes = found["sizes"]
    yield f"  sizes (height x width): {', '.join(_cut([f'{size} ({count})' for size, count in sizes.items()], 5))}"
    for stored, count in found["stored"].items():
        yield f"  stored as {stored}: {count}"
    if any("grey" in stored and "uint8" not in stored for stored in found["stored"]):
        yield f"  values of more than 8 bits: {_window(found['options']['window'])}"
    yield f"  pixels: {_coloured(found['grey'], found['colour'])}"
    for role, one in found["masks"].items():
        area = one["area"]
        share = f", covering {area['lowest']:.2%} to {area['highest']:.2%} (median {area['median']:.2%}) of the image"
        empty = f", {one['empty']} of them empty" if one["empty"] else ""
        yield (
            f"  masks of role {role}: {one['images']} images, {_counted(one['elements'], 'mask')}{empty}"
            f"{share if area else ''}"
        )
    if not found["masks"]:
        stored = (found["found"] or {}).get("taken", {})
        yield "  no masks could be read" if "mask" in stored else "  no masks"
    if found["masks"].get("unknown"):
        yield "    the role is not known: give --mask-role lesion, organ or artefact"
    for note, count in found["notes"].items():
        yield f"  {_counted(count, 'image')}: {note}"
    for reason, one in found["unreadable"].items():
        yield f"  {_counted(one['count'], 'image')} cannot be read: {reason} ({_names(one['examples'], one['count'])})"
    twice = found["duplicates"]
    if twice["groups"]:
        first = " = ".join(twice["examples"][0])
        yield f"  {_counted(twice['groups'], 'image')} stored more than once (identical pixels), such as {first}"


def _window(window: Any) -> str:
    """Which values become black and white; deep images depend on it more than on anything else."""
    if window == "file":
        return "the window that the file states, else each image's own range (--window)"
    if window == "auto":
        return "each image's own range (--window auto)"
    low, high = window
    return f"{low:g} becomes black and {high:g} white (--window)"


def _coloured(grey: int, colour: int) -> str:
    """Files that store colour may hold grey images; the classifier sees what the pixels are."""
    if grey and colour:
        return f"{grey} grey, {colour} coloured"
    return "all coloured" if colour else "all grey"


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def _indented(texts: Any) -> Iterator[str]:
    return (f"  {text}" for text in texts)


def _cut(texts: Sequence[str], most: int = SHOWN) -> list[str]:
    return [*texts[:most], *([f"and {len(texts) - most} more"] if len(texts) > most else [])]


def _names(examples: Sequence[str], count: int) -> str:
    return ", ".join(examples) + (" ..." if count > len(examples) else "")


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[:most]} ..."
