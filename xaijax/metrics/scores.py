"""The result of an evaluation: one row per image, method and metric, and the curves behind some of the metrics.

`Scores` is a table in columns, like the `Curves` and `Responses` that it may hold.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax.metrics import _plot
from xaijax.metrics._columns import (
    NAMES,
    TARGET,
    Columns,
    Floats,
    Texts,
    blank,
    fill_target,
    no_floats,
    no_texts,
    texts,
    with_target,
)
from xaijax.metrics._curves import Curves, Responses
from xaijax.metrics._interval import mean_interval
from xaijax.metrics._summary import Summary, SummaryRow

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure


class ScoreTable(Protocol):
    """Scores of one model as statistics read them, one metric at a time; `Scores` is one.

    `images` are whatever the table calls its images, each once: names, or numbers of rows.
    """

    @property
    def curves(self) -> Curves:
        """The curves behind the information metrics."""

    def methods(self) -> list[str]:
        """The methods, in order of first appearance."""

    def metrics(self) -> list[str]:
        """The metrics, in order of first appearance."""

    def matrix(self, metric: str) -> tuple[Any, list[str], Floats]:
        """One metric as a table: `(images, methods, values [images, methods])`, NaN where there is no value."""

    def units(self, metric: str, patients: Mapping[str, Any] | None = None) -> Any:
        """What each row of `matrix` belongs to, as numbers or names: its patient, or else its image."""


class HealthTable(ScoreTable, Protocol):
    """Scores with what is needed to say whether they can be trusted."""

    def reasons(self, metric: str) -> tuple[NDArray[np.int32], list[str]]:
        """For the images and methods of `matrix` 0 for a value, else the number of the reason, -1 for no row; names."""

    def classes(self, images: Any, labels: Mapping[str, str] | None = None) -> tuple[NDArray[np.int32], list[str]]:
        """`[N]` the class of some images as a number, -1 where it is not known, and the names of the classes."""

    def alphabetical(self, images: Any) -> NDArray[np.int64]:
        """`[N]` the order of some images by their names."""


class Score(NamedTuple):
    """One row of `Scores`: `value` is NaN exactly where there is a `reason`; `target` is a finding or `""`."""

    image: str
    method: str
    metric: str
    value: float
    reason: str
    target: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Columns):
    """Scores in long form: one row per image, method and metric, and per finding where the model has several.

    Attributes:
        image, method, metric: `[N]` names.
        value: `[N]` float64, NaN where there is none.
        reason: `[N]` a code of `xaijax.metrics.REASONS`: why there is no value, `""` where there is one.
        curves: the curves behind the information metrics.
        responses: the curves behind the perturbation metrics.
        target: `[N]` the finding that is explained, where the model has several to an image; else `""`.

    Example:
        >>> scores = Scores.from_rows([("a", "cam", "iou", 0.5, ""), ("b", "cam", "iou", np.nan, "empty_mask")])
        >>> images, methods, values = scores.matrix("iou")
        >>> images, methods, values.tolist()
        (['a', 'b'], ['cam'], [[0.5], [nan]])
    """

    image: Texts = field(default_factory=no_texts)
    method: Texts = field(default_factory=no_texts)
    metric: Texts = field(default_factory=no_texts)
    value: Floats = field(default_factory=no_floats)
    reason: Texts = field(default_factory=no_texts)
    curves: Curves = field(default_factory=Curves)
    responses: Responses = field(default_factory=Responses)
    target: Texts = field(default_factory=no_texts)

    _value: ClassVar[str] = "value"

    def __post_init__(self) -> None:
        fill_target(self)
        lengths = {len(column) for column in self._columns().values()}
        if len(lengths) != 1:
            raise ValueError(f"the columns of scores must have one length; got lengths {sorted(lengths)}")
        missing = np.isnan(self.value)
        if (missing != (self.reason != "")).any():
            row = int(np.flatnonzero(missing != (self.reason != ""))[0])
            raise ValueError(
                f"a score is NaN exactly where it has a reason; row {row} has the value {self.value[row]} and the "
                f"reason {self.reason[row]!r}"
            )

    def _columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*NAMES, "value", "reason", TARGET)}

    def __iter__(self) -> Iterator[Score]:
        """The rows, one after the other."""
        return map(Score._make, zip(*(column.tolist() for column in self._columns().values()), strict=True))

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[tuple[Any, ...]],
        curves: Curves | None = None,
        responses: Responses | None = None,
    ) -> Scores:
        """From tuples (image, method, metric, value, reason), or with the target as the sixth."""
        rows = list(rows)
        kept = Curves() if curves is None else curves, Responses() if responses is None else responses
        if not rows:
            return cls(curves=kept[0], responses=kept[1])
        image, method, metric, value, reason, *targets = zip(*rows, strict=True)
        target = texts(targets[0]) if targets else blank(len(rows))
        numbers = np.asarray(value, np.float64)
        return cls(texts(image), texts(method), texts(metric), numbers, texts(reason), *kept, target)

    @classmethod
    def concatenate(cls, parts: Iterable[Scores]) -> Scores:
        """The rows of all parts, in order, with their curves."""
        parts = list(parts)
        columns = [part._columns() for part in parts]
        return cls(
            **{name: np.concatenate([part[name] for part in columns]) for name in (columns[0] if columns else ())},
            curves=Curves.concatenate(part.curves for part in parts),
            responses=Responses.concatenate(part.responses for part in parts),
        )

    def with_targets(self) -> Scores:
        """See `Columns`; the curves alike."""
        made = super().with_targets()
        return dataclasses.replace(made, curves=self.curves.with_targets(), responses=self.responses.with_targets())

    def paired(self) -> Scores:
        """See `Columns`; the curves alike."""
        made = super().paired()
        return dataclasses.replace(made, curves=self.curves.paired(), responses=self.responses.paired())

    def take(self, rows: Any) -> Scores:
        """The rows of an index or boolean array, without the curves; `select` keeps them."""
        return Scores(**{name: column[rows] for name, column in self._columns().items()})

    def select(
        self,
        *,
        image: str | None = None,
        method: str | None = None,
        metric: str | None = None,
        target: str | None = None,
    ) -> Scores:
        """The rows that match every name that is given, with their curves."""
        wanted = {"image": image, "method": method, "metric": metric, TARGET: target}
        keep = self._matching(image, method, metric, target)
        columns = {name: column[keep] for name, column in self._columns().items()}
        return Scores(**columns, curves=self.curves.select(**wanted), responses=self.responses.select(**wanted))

    def matrix(self, metric: str) -> tuple[list[str], list[str], Floats]:
        """One metric as a table: `(images, methods, values [images, methods])`, NaN where there is no value.

        Where rows are about findings, each image stands there once for each, as "image: finding".

        Raises:
            InputError: where an image has two values of one method and metric.
        """
        chosen = self.metric == metric
        pairs = self._pairs()
        images, methods = list(dict.fromkeys(pairs[chosen])), list(dict.fromkeys(self.method[chosen]))
        values = np.full((len(images), len(methods)), np.nan)
        row, column = {name: i for i, name in enumerate(images)}, {name: i for i, name in enumerate(methods)}
        place = np.array([row[image] for image in pairs[chosen]], np.int64)
        where = np.array([column[method] for method in self.method[chosen]], np.int64)
        _refuse_doubles(place * len(methods) + where, pairs[chosen], self.method[chosen], metric)
        values[place, where] = self.value[chosen]
        return images, methods, values

    def reasons(self, metric: str) -> tuple[NDArray[np.int32], list[str]]:
        """Why values of `matrix` are missing: `(codes [images, methods], reasons)`.

        A code is 0 for a value, else the place of the reason among the reasons, and -1 where there is no row.
        """
        chosen = self.metric == metric
        pairs = self._pairs()[chosen]
        row, column = ({name: i for i, name in enumerate(dict.fromkeys(c))} for c in (pairs, self.method[chosen]))
        known = {"": 0}
        codes = np.full((len(row), len(column)), -1, np.int32)
        for image, method, reason in zip(pairs, self.method[chosen], self.reason[chosen], strict=True):
            codes[row[image], column[method]] = known.setdefault(reason, len(known))
        return codes, list(known)

    def classes(
        self, images: Sequence[str], labels: Mapping[str, str] | None = None
    ) -> tuple[NDArray[np.int32], list[str]]:
        """The class of some images of `matrix`: `(codes, names)`, the code is -1 where the class is not known.

        Args:
            images: as `matrix` names them.
            labels: image -> its class; a finding is a class by itself.
        """
        known: dict[str, int] = {}
        labels = labels or {}
        named = {
            pair: target or labels.get(image)
            for pair, image, target in zip(self._pairs(), self.image, self.target, strict=True)
        }
        found = [named[image] for image in images]
        return np.array([-1 if one is None else known.setdefault(one, len(known)) for one in found], np.int32), list(
            known
        )

    def alphabetical(self, images: Sequence[str]) -> NDArray[np.int64]:
        """The order of some images by their names."""
        return np.array(sorted(range(len(images)), key=lambda i: images[i]), np.int64)

    def units(self, metric: str, patients: Mapping[str, Any] | None = None) -> list[Any]:
        """What each row of `matrix(metric)` belongs to: its patient, or else its image.

        Example:
            >>> rows = [("a", "cam", "iou", 0.5, "", "mass"), ("a", "cam", "iou", 0.2, "", "nodule")]
            >>> Scores.from_rows(rows).units("iou")
            [(False, 'a'), (False, 'a')]
        """
        known, chosen = patients or {}, self.metric == metric
        images = dict(zip(self._pairs()[chosen], self.image[chosen], strict=True)).values()
        return [(True, known[image]) if image in known else (False, image) for image in images]

    def to_arrow(self) -> pa.Table:
        """The columns image, method, metric, value (NaN, not null, where there is none) and reason.

        Where rows are about findings also target.
        """
        import pyarrow as pa

        types = {"value": pa.float64()}
        return pa.table({name: pa.array(v, types.get(name, pa.string())) for name, v in self._shown().items()})

    def _shown(self) -> dict[str, Any]:
        """The columns, without the target where there is none."""
        return {name: column for name, column in self._columns().items() if name != TARGET or self.by_finding}

    def to_pandas(self) -> Any:
        """The columns of `to_arrow` as a `pandas.DataFrame`.

        Raises:
            ImportError: where pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ModuleNotFoundError:
            raise ImportError("to_pandas needs pandas: run `pip install pandas`, or use to_arrow()") from None
        return pandas.DataFrame(self._shown())

    def summary(self, *, patients: Mapping[str, Any] | None = None, seed: int = 0) -> Summary:
        """Mean, interval, median and number of values of every method under every metric.

        Args:
            patients: image -> its patient, where several images are of one: the bootstrap draws them together.
            seed: of the bootstrap of the intervals.

        Returns:
            A `Summary`, whose rows come in order of first appearance; `print` shows it as a table. Where rows are about
            findings, those over all findings come first and have the target `""`; their number counts pairs of image
            and finding, and their intervals draw images with all their findings.

        Example:
            >>> found = [("a", 0.5, ""), ("b", 0.7, ""), ("c", np.nan, "flat_map")]
            >>> rows = [(image, "cam", "iou", value, reason) for image, value, reason in found]
            >>> print(Scores.from_rows(rows).summary())
            metric  method   mean  95 % interval  median  images  skipped
            iou     cam     0.600   0.500..0.700   0.600       2  1 flat_map
        """
        for metric in self.metrics():
            self.matrix(metric)  # refuses what is there twice, which would count twice
        values: dict[tuple[str, str, str], list[float]] = {}
        units: dict[tuple[str, str, str], list[Any]] = {}
        reasons: dict[tuple[str, str, str], Counter[str]] = {}
        known = patients or {}
        for row in self:
            for target in ("", row.target) if row.target else ("",):
                key = (target, row.method, row.metric)
                own, skipped = values.setdefault(key, []), reasons.setdefault(key, Counter())
                if row.reason:
                    skipped[row.reason] += 1
                else:
                    own.append(row.value)
                    units.setdefault(key, []).append(known.get(row.image, (row.image,)))
        every = list(dict.fromkeys(target for target, _, _ in values))
        return Summary(
            SummaryRow(
                *key[1:],
                *_mean(own),
                *mean_interval(own, groups=units.get(key), ends=_ends(key[2]), seed=seed),
                len(own),
                dict(reasons[key]),
                key[0],
            )
            for key, own in sorted(values.items(), key=lambda item: every.index(item[0][0]))
        )

    def plot(self, *, seed: int = 0) -> Figure:
        """Mean and 95 % bootstrap interval of every method, one panel per metric.

        Args:
            seed: of the bootstrap.

        Returns:
            A Matplotlib figure, which a notebook shows and `figure.savefig(path)` writes.

        Raises:
            ValueError: for scores without rows.
        """
        panels: dict[str, list[_plot.Bar]] = {}
        for row in self.summary(seed=seed):
            if row.target:
                continue
            panels.setdefault(row.metric, []).append(_plot.Bar(row.method, row.mean, row.low, row.high))
        return _plot.panels(panels)

    def _words(self) -> str:
        return f"{super()._words()}; {int(np.isnan(self.value).sum())} without a value"

    @classmethod
    def from_arrow(cls, table: pa.Table, curves: pa.Table | None = None) -> Scores:
        """The inverse of `to_arrow`, with `Curves.to_arrow` where there is one."""
        columns = [table.column(name).to_pylist() for name in (*NAMES, "value", "reason")]
        made = cls.from_rows(zip(*columns, strict=True), None if curves is None else Curves.from_arrow(curves))
        return with_target(made, table)


def _ends(metric: str) -> tuple[float | None, ...]:
    """The range of a metric; nothing for one that is not known."""
    from xaijax.metrics.registry import METRICS  # whose families make scores

    return METRICS[metric].range if metric in METRICS else ()


def _refuse_doubles(places: NDArray[np.int64], images: Texts, methods: Texts, metric: str) -> None:
    """Refuses two values of one image, method and metric: which of them counts is not known."""
    order = np.argsort(places, kind="stable")
    twice = np.flatnonzero(np.diff(places[order]) == 0)
    if len(twice):
        at = order[twice[0] + 1]
        raise InputError(
            f"the scores have two rows of {images[at]}, {methods[at]} and {metric} ({len(twice)} such rows in all): "
            "keep one row of each image, method and metric, or tell images apart by their names"
        )


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and median; NaN for none."""
    array = np.asarray(values, np.float64)
    return (float(array.mean()), float(np.median(array))) if array.size else (float("nan"), float("nan"))
