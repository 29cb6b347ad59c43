"""Names that differ in their spelling alone: classes ("Normal" and "normal", "grade_1" and "grade 1", "1" and "1.0")
and the sides of a split ("Train", "training set")."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from xaijax._names import normal
from xaijax.data.found import Census

SIDES = ("training", "validation", "test")
_SIDE = {
    name: side
    for side, words in zip(
        SIDES,
        (("train", "training", "tr"), ("val", "valid", "validate", "validation", "dev"), ("test", "testing")),
        strict=True,
    )
    for word in words
    for name in (word, f"{word}set", f"{word}data")
}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)


def side_place(name: str) -> tuple[int, str]:
    """Sorts the sides of a split: training, validation, test, then other names by their text.

    Example:
        >>> sorted(["test", "fold 2", "validation", "training", "fold 1"], key=side_place)
        ['training', 'validation', 'test', 'fold 1', 'fold 2']
    """
    return (SIDES.index(name) if name in SIDES else len(SIDES), name)


def key(name: str) -> str:
    """What two spellings of a class name share. Signs that carry a meaning stay: "HER2+" is not "HER2-".

    Example:
        >>> key("Lung_Opacity") == key("lung opacity"), key("1.0") == key("01"), key("HER2+") == key("HER2-")
        (True, True, False)
    """
    text = _BETWEEN.sub(" ", composed(name)).casefold()
    if _NUMBER.fullmatch(text):
        sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.lstrip("+"))
        whole, _, part = digits.partition(".")
        part = part.rstrip("0")
        return f"{sign}{whole.lstrip('0') or '0'}{f'.{part}' if part else ''}"
    return text


def composed(name: str) -> str:
    """A name with its accents in one form (Unicode NFC; some systems store another one), without spaces around it."""
    return unicodedata.normalize("NFC", name).strip()


def join(names: Iterable[str], census: Census) -> dict[str, str]:
    """One name for all spellings of a class: the first in the order of characters.

    Args:
        names: as they were found.
        census: gets a note on names that were joined.

    Returns:
        Each name -> the name of its class.

    Example:
        >>> join(["normal", "Normal", "cyst"], Census(""))
        {'Normal': 'Normal', 'cyst': 'cyst', 'normal': 'Normal'}
    """
    known = sorted(set(names))
    spelled: dict[str, list[str]] = {}
    for name in known:
        spelled.setdefault(key(name), []).append(name)
    for same in spelled.values():
        found = list(dict.fromkeys(map(composed, same)))
        if len(found) > 1:
            census.note(f"{', '.join(found[:-1])} and {found[-1]} were taken as one class, {found[0]}.")
    return {name: composed(spelled[key(name)][0]) for name in known}


def side(name: str) -> str | None:
    """The side of a split that a name means; None for other names.

    Example:
        >>> side("Train"), side("valid"), side("Training set"), side("holdout")
        ('training', 'validation', 'training', None)
    """
    return _SIDE.get(normal(name))


@cache
def side_within(name: str) -> str | None:
    """The side of a split that the name of a folder or table contains as a word; None for none or several.

    Example:
        >>> side_within("stage_2_train_images"), side_within("testLabels"), side_within("train_test_split")
        ('training', 'test', None)
    """
    found = {side(word) for word in _WORD.findall(name)} - {None}
    return found.pop() if len(found) == 1 else None
