"""What the values of a mask mean: one mask unchanged, or a label map by a rule.

Without a rule:

* one value: 0 is an empty mask, another value is inside everywhere (noted);
* two values: 0 is outside and the other one inside; of two others the lower is outside (noted). Of two colours
  without black, white is outside (noted); two other colours need a rule;
* two ends with soft edges or the noise of compression (`soft`): cut half way (noted);
* more values: a label map, which is refused with its values and their shares, because their meaning is not stated. So
  is a mask of 0 and a value up to 5 % of 255, apart from 1, that is spread as noise is, and a JPEG file without
  higher values.

With a rule, `role -> values`, there is one element per role, the union of its values; values that the rule does not
name are outside, and a named value need not occur. A whole number is a grey value or an index of a palette,
`"#rrggbb"` a colour of pixels or of the palette. A mask drawn with the largest value of its type (0 and 255) under a
rule that does not name that value is refused: it is not a label map of this rule. In JPEG files the closest of 0 and
the named values counts; where that is not clear, because these are close to each other or others occur, it is refused.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from xaijax.data.dataset import Element
from xaijax.data.masks import soft
from xaijax.data.masks.protocol import Masks
from xaijax.data.masks.stored import Stored
from xaijax.data.reading import MaskRole, MaskValue, Reading

Rule = Mapping[MaskRole | None, tuple[MaskValue, ...]]
NOISE = 12  # 5 % of 255: what noise may add to 0
LISTED = 12  # values that a note names
WHITE = 0xFFFFFF
INVERTED = (
    "a mask is inside at all four corners and in most of its image; if it is inverted, give --mask-values 0 (its value "
    "inside)"
)
FREED = "a mask in a format that adds noise: its values are the closest ones that have a meaning"
_FULL = frozenset({255, 65535})


def stated_rule(reading: Reading, layout: Rule | None) -> Rule:
    """The rule that `--mask-values` states, else that of a known layout; values without a role are `mask_role`'s.

    Example:
        >>> dict(stated_rule(Reading(mask_role="lesion", mask_values={None: (1, 4)}), {"organ": (1,)}))
        {'lesion': (1, 4)}
    """
    rule = reading.mask_values or layout or {}
    if reading.mask_role is None or None not in rule:
        return rule
    named: dict[MaskRole | None, tuple[MaskValue, ...]] = {}
    for role, values in rule.items():
        owner = role or reading.mask_role
        named[owner] = (*named.get(owner, ()), *values)
    return named


def rule_of(role: MaskRole | None, rule: Rule) -> Rule:
    """The part of a rule that holds for masks of a stated role: what it says of this role, or without a role.

    Example:
        >>> rule_of("lesion", {"lesion": (1,), "organ": (2,)}), rule_of("organ", {None: (1, 3)})
        ({'lesion': (1,)}, {'organ': (1, 3)})
    """
    if role is None:
        return rule
    values = tuple(value for named, values in rule.items() if named in (None, role) for value in values)
    return {role: values} if values else {}


def masks_of(stored: Stored, role: MaskRole | None, rule: Rule, *, named_by: str = "--mask-values") -> Masks:
    """The elements of a mask.

    Args:
        stored: its values.
        role: what the mask outlines, where that is stated; None for the data set's `mask_role`.
        rule: what the values of a label map mean, or empty.
        named_by: who states the rule, for notes; empty for a known layout, whose other values need no note.

    Returns:
        The elements, none where the mask is refused, and notes.

    Example:
        >>> brain = Stored(np.array([[0, 0, 1, 2, 4]], np.uint8))
        >>> masks_of(brain, "lesion", {}).notes
        ('a mask is a label map of the values 0 (40 %), 1 (20 %), 2 (20 %), 4 (20 %); give --mask-values',)
        >>> [one.mask.astype(int).tolist() for one in masks_of(brain, None, {"lesion": (1, 4)}).elements]
        [[[0, 0, 1, 0, 1]]]
    """
    kept = rule_of(role, rule)
    if rule and not kept and len(_counts(stored.values)[0]) > 2:
        return Masks((), (*stored.notes, f"{_label_map(stored)}; {named_by or 'the layout'} has none of the {role}"))
    freed = _without_noise(stored, kept) if kept else stored
    if freed is None:
        return Masks((), (*stored.notes, f"{_label_map(stored)} in a format that adds noise; store it as PNG"))
    stored = freed
    if kept:
        found = _by_rule(stored, kept, named_by)
    else:
        found = _plain(stored, role)
        if any(map(_may_be_inverted, found.elements)):
            found = Masks(found.elements, (*found.notes, INVERTED))
    return Masks(found.elements, (*stored.notes, *found.notes))


def _may_be_inverted(element: Element) -> bool:
    """Whether the corners and most of an image are inside, but not all of it."""
    inside = element.mask
    return bool(inside[[0, 0, -1, -1], [0, -1, 0, -1]].all() and 0.5 < inside.mean() < 1)


def _without_noise(stored: Stored, rule: Rule) -> Stored | None:
    """A mask in a lossy format, for a rule: each value becomes the closest of 0 and those that the rule names. None
    where values are far from them that lie on no edge between two of them: then the rule does not name all labels."""
    named = {code for values in rule.values() for value in values for code in _codes(stored, value)} | {0}
    values = stored.values
    if not stored.lossy or stored.coloured or set(_counts(values)[0].tolist()) <= named:
        return stored
    ends = np.array(sorted(named))
    if len(ends) < 2 or np.diff(ends).min() <= 2 * NOISE:
        return None
    closest = ends[np.digitize(values, (ends[:-1] + ends[1:]) / 2)]
    near = np.abs(values - closest) <= NOISE
    if near.mean() < 1 - soft.BETWEEN or (values > ends[-1] + NOISE).any():
        return None
    for low, high in itertools.pairwise(ends.tolist()):
        between = ~near & (values > low) & (values < high)
        edge = soft.between_two(near & (closest <= low), near & (closest >= high))
        if between.any() and edge[between].mean() < soft.ON_EDGE:
            return None
    return replace(stored, values=closest, notes=(*stored.notes, FREED))


def _plain(stored: Stored, role: MaskRole | None) -> Masks:
    """A mask without a rule."""
    values = stored.values
    present = _counts(values)[0]
    if stored.lossy and not stored.coloured and 0 < present[-1] <= NOISE:
        text = f"a mask has no value above {present[-1]} in a format that adds noise"
        return Masks((), (f"{text}; give --mask-values if it is none",))
    if len(present) == 1:
        inside = np.full(values.shape, present[0] != 0)
        notes = (
            (f"a mask is inside everywhere: all its values are {_name(stored, present[0])}",) if inside.any() else ()
        )
        return Masks((Element("", role, inside),), notes)
    if stored.coloured:
        return _plain_colours(stored, role, present)
    if len(present) == 2:
        return _two_values(stored, role, present)
    cut = None if stored.palette else soft.threshold(values, lossy=stored.lossy)
    if cut is None:
        return Masks((), (f"{_label_map(stored)}; give --mask-values",))
    return Masks((Element("", role, values > cut),), ("a mask with soft edges or noise was cut half way",))


def _two_values(stored: Stored, role: MaskRole | None, present: np.ndarray) -> Masks:
    low, high = present
    outside = 0 if 0 in present else low
    inside = stored.values != outside
    if outside == 0 and 1 < high <= NOISE and not stored.palette and soft.is_noise(inside):
        return Masks(
            (), (f"a mask has specks of the value {high} alone, as noise has; give --mask-values if it is none",)
        )
    notes: tuple[str, ...] = ()
    if 0 not in present:
        notes = (f"a mask of the values {_name(stored, low)} and {_name(stored, high)}: the lower is outside",)
    if stored.palette.get(int(low)) == WHITE and stored.palette.get(int(high)) == 0:
        notes += ("a palette mask whose first colour is white: the index decides, so white is outside",)
    return Masks((Element("", role, inside),), notes)


def _plain_colours(stored: Stored, role: MaskRole | None, present: np.ndarray) -> Masks:
    outside = 0 if 0 in present else WHITE if WHITE in present else None
    if len(present) > 2 or outside is None:
        return Masks((), (f"{_label_map(stored)}; give --mask-values",))
    notes = () if outside == 0 else ("a mask of white and another colour: white is outside",)
    return Masks((Element("", role, stored.values != outside),), notes)


def _by_rule(stored: Stored, rule: Rule, named_by: str) -> Masks:
    present, counts = _counts(stored.values)
    codes = {role: {code for value in values for code in _codes(stored, value)} for role, values in rule.items()}
    every = set().union(*codes.values())
    strange = [value for value in present.tolist() if value not in every and value != 0]
    share = counts / counts.sum()
    if not every & set(present.tolist()) and len(present) <= 2 and strange and strange[-1] in _FULL:
        listed = _listed(stored, present, share)
        return Masks((), (f"a mask has the values {listed}, which {named_by or 'its layout'} does not name",))
    elements = tuple(Element("", role, np.isin(stored.values, sorted(inside))) for role, inside in codes.items())
    notes: tuple[str, ...] = ()
    if strange and named_by:
        names = ", ".join(_name(stored, value) for value in strange[:3]) + (" ..." if len(strange) > 3 else "")
        notes = (f"a mask has values that {named_by} does not name ({names}): they are outside",)
    return Masks(elements, notes)


def _codes(stored: Stored, value: MaskValue) -> list[int]:
    """The stored values that a value of a rule means."""
    if isinstance(value, int):
        # In a colour file a grey value has three equal channels.
        return [value] if not stored.coloured else [value * 0x010101] if value < 256 else []
    if not value.startswith("#"):
        return []
    colour = int(value[1:], 16)
    if stored.palette:
        return [index for index, entry in stored.palette.items() if entry == colour]
    if stored.coloured:
        return [colour]
    grey = colour & 0xFF
    return [grey] if colour == grey * 0x010101 else []


def _counts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, ascending, and how often."""
    if values.dtype in (np.uint8, np.uint16):
        counts = np.bincount(values.ravel())
        present = np.flatnonzero(counts)
        return present, counts[present]
    present, counts = np.unique(values, return_counts=True)
    return present, counts


def _label_map(stored: Stored) -> str:
    present, counts = _counts(stored.values)
    what = "colours" if stored.coloured else "values"
    return f"a mask is a label map of the {what} {_listed(stored, present, counts / counts.sum())}"


def _listed(stored: Stored, present: np.ndarray, share: np.ndarray) -> str:
    """Values with their shares, the most common ones where there are many."""
    kept = np.sort(np.argsort(-share, kind="stable")[:LISTED])
    parts = [f"{_name(stored, present[at])} ({_percent(share[at])})" for at in kept]
    return ", ".join(parts) + (f" and {len(present) - LISTED} more" if len(present) > LISTED else "")


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.005 else f"{100 * share:.0f} %"


def _name(stored: Stored, value: float) -> str:
    return f"#{int(value):06x}" if stored.coloured else f"{value:g}" if isinstance(value, float) else str(value)
