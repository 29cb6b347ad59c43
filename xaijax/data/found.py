"""What was found where a data set was opened: every file that was seen is taken or left out with a reason."""

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from xaijax.data import _display

EXAMPLES = 5  # names that are kept for each reason


@dataclass(frozen=True)
class LeftOut:
    """The files, or rows of a table, that were left out for one reason.

    Attributes:
        count: how many.
        examples: the first names, relative to the folder.
    """

    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Found:
    """What a reader found: `seen` files, each taken as something or left out.

    Attributes:
        layout: what the source was taken for, in a few words: "class folders", "HAM10000".
        taken: what files were taken as -> how many: `{"image": 420, "mask": 418, "table": 1}`.
        left_out: reason -> the files that were left out for it.
        notes: what was assumed, a sentence each.
        rows: reason -> the rows of tables that were left out for it: a row may name no file, or one that is not there.
    """

    layout: str
    taken: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    left_out: Mapping[str, LeftOut] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    rows: Mapping[str, LeftOut] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def seen(self) -> int:
        """All files that were seen."""
        return sum(self.taken.values()) + sum(one.count for one in self.left_out.values())

    def __repr__(self) -> str:
        parts = [repr(_display.short(self.layout, 40)), _display.counted(self.seen, "file")]
        parts += [f"{count} as {kind}" for kind, count in self.taken.items()]
        parts += [f"{sum(one.count for one in self.left_out.values())} left out"]
        if self.rows:
            parts += [f"{_display.counted(sum(one.count for one in self.rows.values()), 'row')} of tables left out"]
        return f"Found({', '.join(parts)})"

    def _repr_html_(self) -> str:
        rows = [(kind, count) for kind, count in self.taken.items()]
        rows += [(f"left out: {reason}", one.count) for reason, one in self.left_out.items()]
        rows += [(f"rows left out: {reason}", one.count) for reason, one in self.rows.items()]
        return f"<div><p>{html.escape(repr(self))}</p>{_display.table(rows)}</div>"

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "layout": self.layout,
            "files": self.seen,
            "taken": dict(self.taken),
            "left_out": _described(self.left_out),
            "notes": list(self.notes),
            "rows_left_out": _described(self.rows),
        }


class Census:
    """Counts files while a reader looks through a folder.

    Example:
        >>> census = Census("class folders")
        >>> census.take("image")
        >>> census.leave("it is not an image", "notes.txt")
        >>> found = census.found()
        >>> found.seen, dict(found.taken), found.left_out["it is not an image"].examples
        (2, {'image': 1}, ('notes.txt',))
    """

    def __init__(self, layout: str) -> None:
        self.layout = layout
        self._taken: Counter[str] = Counter()
        self._left = _Tally()
        self._rows = _Tally()
        self._notes: dict[str, None] = {}

    def take(self, kind: str, count: int = 1) -> None:
        """Counts files that are taken as this kind: "image", "mask", "table"."""
        self._taken[kind] += count

    def leave(self, reason: str, *names: str) -> None:
        """Counts files that are left out, by a reason that is the same for all like them."""
        self._left.add(reason, names)

    def leave_as(self, other: "Census") -> None:
        """Counts the files that another census has left out."""
        self._left.join(other._left)

    def leave_row(self, reason: str, *names: str) -> None:
        """Counts rows of a table that are left out; a row is named by its file, or by its line."""
        self._rows.add(reason, names)

    def note(self, sentence: str) -> None:
        """Keeps what was assumed; the same sentence counts once."""
        self._notes[sentence] = None

    def found(self) -> Found:
        """The result."""
        taken = MappingProxyType(dict(self._taken))
        return Found(self.layout, taken, self._left.result(), tuple(self._notes), self._rows.result())


class _Tally:
    """Counts names by a reason and keeps the first of each."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, reason: str, names: tuple[str, ...]) -> None:
        self._count[reason] += len(names)
        examples = self._examples.setdefault(reason, [])
        examples += names[: EXAMPLES - len(examples)]

    def join(self, other: "_Tally") -> None:
        for reason, count in other._count.items():
            self._count[reason] += count
            examples = self._examples.setdefault(reason, [])
            examples += other._examples[reason][: EXAMPLES - len(examples)]

    def result(self) -> Mapping[str, LeftOut]:
        return MappingProxyType(
            {reason: LeftOut(count, tuple(self._examples[reason])) for reason, count in self._count.most_common()}
        )


def _described(left: Mapping[str, LeftOut]) -> dict[str, Any]:
    return {reason: {"count": one.count, "examples": list(one.examples)} for reason, one in left.items()}
