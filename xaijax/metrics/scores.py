"""The result of an evaluation: one row per image, method and metric, and the curves behind some of the metrics.

`Scores`, `Curves` and `Responses` are tables in columns: NumPy arrays of one length, with names as Python strings.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics import _plot
from xaijax.metrics import pic_curve as curves_of
from xaijax.metrics._interval import mean_interval
from xaijax.metrics.metric import SEPARATOR, shorten

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

Texts = NDArray[np.object_]
Floats = NDArray[np.float64]
Self = TypeVar("Self", bound="_Columns")
NAMES = ("image", "method", "metric")
TARGET = "target"


def _texts(values: Iterable[Any]) -> Texts:
    values = list(values)
    result = np.empty(len(values), object)
    result[:] = values
    return result


def _matrix(values: Any) -> Floats:
    values = np.asarray(values, np.float64)
    return values if values.ndim == 2 else values.reshape(len(values), -1)


def _blank(count: int) -> Texts:
    return _texts([""] * count)


def _no_texts() -> Texts:
    return _texts([])


def _no_floats() -> Floats:
    return np.zeros(0)


def _no_points() -> Floats:
    return np.zeros((0, 0))


def _fill_target(columns: Any) -> None:
    """An empty target for every row, where none was given."""
    if len(columns.target) != len(columns.image):
        object.__setattr__(columns, TARGET, _blank(len(columns.image)))


class _Columns:
    """A frozen dataclass of columns of one length, the first three of which are the names.

    `target` is the finding that a row is about, where the model has several to an image; else `""` everywhere.
    """

    image: Texts
    method: Texts
    metric: Texts
    target: Texts
    _value: ClassVar[str]
    """The column that `_repr_html_` shows the means of."""

    def __len__(self) -> int:
        return len(self.image)

    def _columns(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    @property
    def by_finding(self) -> bool:
        """Whether rows are about a finding each, of a model that has several to an image."""
        return bool((self.target != "").any())

    def _pairs(self) -> Texts:
        """`[N]` what a row is paired by: its image, and its finding where it has one."""
        if not self.by_finding:
            return self.image
        named = zip(self.image, self.target, strict=True)
        return _texts(f"{image}: {target}" if target else image for image, target in named)

    def with_targets(self: Self) -> Self:
        """The same rows, with names of pairs (`xaijax.metrics.metric.pair_name`) taken apart into image and finding."""
        if not any(SEPARATOR in name for name in self.image):
            return self
        parts = [name.partition(SEPARATOR) for name in self.image]
        found = {"image": _texts(image for image, _, _ in parts), TARGET: _texts(target for _, _, target in parts)}
        return dataclasses.replace(self, **found)  # type: ignore[type-var]

    def paired(self: Self) -> Self:
        """The same rows with the pair of image and finding as the image, for what compares row by row."""
        if not self.by_finding:
            return self
        return dataclasses.replace(self, image=self._pairs(), target=_blank(len(self)))  # type: ignore[type-var]

    def take(self: Self, rows: Any) -> Self:
        """The rows of an index or boolean array."""
        return type(self)(**{name: column[rows] for name, column in self._columns().items()})

    def select(
        self: Self,
        *,
        image: str | None = None,
        method: str | None = None,
        metric: str | None = None,
        target: str | None = None,
    ) -> Self:
        """The rows that match every name that is given."""
        return self.take(self._matching(image, method, metric, target))

    @classmethod
    def concatenate(cls: type[Self], parts: Iterable[Self]) -> Self:
        """The rows of all parts, in order."""
        full = [part._columns() for part in parts if len(part)]
        return cls(**{name: np.concatenate([part[name] for part in full]) for name in full[0]}) if full else cls()

    def _matching(
        self, image: str | None, method: str | None, metric: str | None, target: str | None = None
    ) -> NDArray[np.bool_]:
        keep = np.ones(len(self), bool)
        pairs = ((self.image, image), (self.method, method), (self.metric, metric), (self.target, target))
        for column, name in pairs:
            if name is not None:
                keep &= column == name
        return keep

    def images(self) -> list[str]:
        """The images, in order of first appearance."""
        return list(dict.fromkeys(self.image))

    def methods(self) -> list[str]:
        """The methods, in order of first appearance."""
        return list(dict.fromkeys(self.method))

    def metrics(self) -> list[str]:
        """The metrics, in order of first appearance."""
        return list(dict.fromkeys(self.metric))

    def to_arrow(self) -> pa.Table:
        """As an Arrow table with the columns of the attributes; the points of curves are lists."""
        import pyarrow as pa

        made = {}
        for name, column in self._columns().items():
            if name == TARGET and not self.by_finding:
                continue
            if name in (*NAMES, TARGET):
                made[name] = pa.array(column, pa.string())
            elif column.ndim == 2 or column.dtype == object:
                made[name] = pa.array(list(column), pa.list_(pa.float64()))
            else:
                made[name] = pa.array(column)
        return pa.table(made)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow C stream of `to_arrow`: Polars, DuckDB, pyarrow and others read the object itself."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._words()})"

    def _words(self) -> str:
        metrics = self.metrics()
        named = f" ({shorten(', '.join(metrics), 80)})" if metrics else ""
        parts = [_count(len(self.images()), "image"), _count(len(self.methods()), "method")]
        return f"{_count(len(self), 'row')}: {', '.join(parts)}, {_count(len(metrics), 'metric')}{named}"

    def _repr_html_(self) -> str:
        """For notebooks: the mean of each method under each metric, over the images with a value."""
        methods, metrics, values = self.methods(), self.metrics(), np.asarray(getattr(self, self._value), np.float64)
        rows = []
        for metric in metrics:
            cells = []
            for method in methods:
                own = values[self._matching(None, method, metric)]
                own = own[~np.isnan(own)]
                cells.append(f"{own.mean():.3f}" if len(own) else "–")
            rows.append([metric, *cells])
        return _html_table(f"{self!r}, mean over images", ["metric", *methods], rows if methods else [])


@dataclass(frozen=True, eq=False, repr=False)
class Curves(_Columns):
    """Performance Information Curves, one row per image, method, metric and random mask.

    Attributes:
        image, method, metric: `[N]` names; the metric says which response and which information measure.
        draw: `[N]` int64, which of the image's random masks.
        auc: `[N]`, area under the curve, 0 to 1.
        position, value: `[N, T + 2]`, the curve's points in reading order, (0, 0) and (1, 1) included.
        information, response: `[N, T]`, in the order of the fractions, scaled between the blurred image (0) and the
            original (1) but neither clipped nor sorted: what the curve was made of.
        target: `[N]` the finding, where the model has several to an image; else `""`.
    """

    image: Texts = field(default_factory=_no_texts)
    method: Texts = field(default_factory=_no_texts)
    metric: Texts = field(default_factory=_no_texts)
    draw: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    auc: Floats = field(default_factory=_no_floats)
    position: Floats = field(default_factory=_no_points)
    value: Floats = field(default_factory=_no_points)
    information: Floats = field(default_factory=_no_points)
    response: Floats = field(default_factory=_no_points)
    target: Texts = field(default_factory=_no_texts)

    _value: ClassVar[str] = "auc"

    def __post_init__(self) -> None:
        _fill_target(self)

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[Any, ...]]) -> Curves:
        """From tuples in the order of the attributes."""
        if not rows:
            return cls()
        image, method, metric, draw, auc, *points = zip(*rows, strict=True)
        return cls(
            _texts(image),
            _texts(method),
            _texts(metric),
            np.asarray(draw, np.int64),
            np.asarray(auc, np.float64),
            *map(_matrix, points),  # type: ignore[arg-type]
        )

    def aggregate(
        self, method: str, metric: str, how: Literal["median", "mean"] = "median"
    ) -> tuple[Floats, Floats, float]:
        """The aggregate curve of a method: mean over an image's random masks, then median or mean over images.

        Returns:
            `(position [1001], value [1001], area)`.

        Raises:
            ValueError: when the method has no curve of this metric.

        Example:
            >>> row = ("a", "m", "sic_shannon", 0, 0.75, [0, 0.5, 1], [0, 1, 1], [0.5], [1.0])
            >>> position, value, area = Curves.from_rows([row]).aggregate("m", "sic_shannon")
            >>> value[[250, 750]].tolist(), round(area, 9)
            ([0.5, 1.0], 0.75)
        """
        chosen = self.select(method=method, metric=metric)
        if not len(chosen):
            raise ValueError(f"there is no {metric} curve of {method!r}: no image could be scored, or it was not asked")
        read = curves_of.read_curve(chosen.position, chosen.value)
        images, index = np.unique(chosen._pairs().astype(str), return_inverse=True)
        sums = np.zeros((len(images), read.shape[1]))
        np.add.at(sums, index, read)
        value, area = curves_of.aggregate(sums / np.bincount(index)[:, None], how)
        return curves_of.positions(), value, area

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Curves:
        """The inverse of `to_arrow`."""
        names = [column.name for column in fields(cls) if column.name != TARGET]
        made = cls.from_rows(list(zip(*(table.column(name).to_pylist() for name in names), strict=True)))
        return _with_target(made, table)


@dataclass(frozen=True, eq=False, repr=False)
class Responses(_Columns):
    """Curves of perturbation: the model's response against the share of pixels that were changed.

    Attributes:
        image, method, metric: `[N]` names.
        area: `[N]`, under the curve as the metric defines it; NaN where there is none.
        fraction: `[N]` arrays of P numbers in [0, 1], ascending: the share of the pixels that were changed.
        value: `[N]` arrays of P numbers: the response there. P may differ between rows.
        target: `[N]` the finding, where the model has several to an image; else `""`.

    Example:
        >>> curves = Responses.from_rows([("a", "cam", "deletion_black", 0.25, [0, 0.5, 1], [0.5, 0.25, 0.0])])
        >>> fraction, value = curves.mean("cam", "deletion_black", positions=3)
        >>> fraction.tolist(), value.tolist()
        ([0.0, 0.5, 1.0], [0.5, 0.25, 0.0])
    """

    image: Texts = field(default_factory=_no_texts)
    method: Texts = field(default_factory=_no_texts)
    metric: Texts = field(default_factory=_no_texts)
    area: Floats = field(default_factory=_no_floats)
    fraction: Texts = field(default_factory=_no_texts)
    value: Texts = field(default_factory=_no_texts)
    target: Texts = field(default_factory=_no_texts)

    _value: ClassVar[str] = "area"

    def __post_init__(self) -> None:
        _fill_target(self)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Any, ...]]) -> Responses:
        """From tuples in the order of the attributes."""
        rows = list(rows)
        if not rows:
            return cls()
        image, method, metric, area, fraction, value = zip(*rows, strict=True)
        points = [_texts(np.asarray(points, np.float64) for points in column) for column in (fraction, value)]
        return cls(_texts(image), _texts(method), _texts(metric), np.asarray(area, np.float64), *points)

    def mean(self, method: str, metric: str, *, positions: int = 101) -> tuple[Floats, Floats]:
        """The mean curve over images, read at equally spaced fractions; `(fraction, value)`, each `[positions]`.

        Raises:
            ValueError: when the method has no curve of this metric.
        """
        chosen = self.select(method=method, metric=metric)
        if not len(chosen):
            raise ValueError(f"there is no {metric} curve of {method!r}: no image could be scored, or it was not asked")
        where = np.linspace(0.0, 1.0, positions)
        read = [np.interp(where, x, y) for x, y in zip(chosen.fraction, chosen.value, strict=True)]
        return where, np.mean(read, axis=0)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Responses:
        """The inverse of `to_arrow`."""
        names = [column.name for column in fields(cls) if column.name != TARGET]
        return _with_target(cls.from_rows(zip(*(table.column(name).to_pylist() for name in names), strict=True)), table)


def _with_target(made: Self, table: pa.Table) -> Self:
    """The columns of a table that were read, with its findings where it has any."""
    if TARGET not in table.column_names or not len(made):
        return made
    return dataclasses.replace(made, target=_texts(table.column(TARGET).to_pylist()))  # type: ignore[type-var]


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

    def reasons(self, metric: str) -> tuple[NDArray[np.int16], list[str]]:
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
class Scores(_Columns):
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

    image: Texts = field(default_factory=_no_texts)
    method: Texts = field(default_factory=_no_texts)
    metric: Texts = field(default_factory=_no_texts)
    value: Floats = field(default_factory=_no_floats)
    reason: Texts = field(default_factory=_no_texts)
    curves: Curves = field(default_factory=Curves)
    responses: Responses = field(default_factory=Responses)
    target: Texts = field(default_factory=_no_texts)

    _value: ClassVar[str] = "value"

    def __post_init__(self) -> None:
        _fill_target(self)
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
        target = _texts(targets[0]) if targets else _blank(len(rows))
        numbers = np.asarray(value, np.float64)
        return cls(_texts(image), _texts(method), _texts(metric), numbers, _texts(reason), *kept, target)

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
        """See `_Columns`; the curves alike."""
        made = super().with_targets()
        return dataclasses.replace(made, curves=self.curves.with_targets(), responses=self.responses.with_targets())

    def paired(self) -> Scores:
        """See `_Columns`; the curves alike."""
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
        """
        chosen = self.metric == metric
        pairs = self._pairs()
        images, methods = list(dict.fromkeys(pairs[chosen])), list(dict.fromkeys(self.method[chosen]))
        values = np.full((len(images), len(methods)), np.nan)
        row, column = {name: i for i, name in enumerate(images)}, {name: i for i, name in enumerate(methods)}
        for image, method, value in zip(pairs[chosen], self.method[chosen], self.value[chosen], strict=True):
            values[row[image], column[method]] = value
        return images, methods, values

    def reasons(self, metric: str) -> tuple[NDArray[np.int16], list[str]]:
        """Why values of `matrix` are missing: `(codes [images, methods], reasons)`.

        A code is 0 for a value, else the place of the reason among the reasons, and -1 where there is no row.
        """
        chosen = self.metric == metric
        pairs = self._pairs()[chosen]
        row, column = ({name: i for i, name in enumerate(dict.fromkeys(c))} for c in (pairs, self.method[chosen]))
        known = {"": 0}
        codes = np.full((len(row), len(column)), -1, np.int16)
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
                *mean_interval(own, groups=units.get(key), seed=seed),
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
        return _with_target(made, table)


class SummaryRow(NamedTuple):
    """One method under one metric.

    `mean` and `median` are over the `n` images with a value, `low` and `high` bound the 95 % bootstrap interval of the
    mean; NaN where there are too few. `skipped` counts the images without a value: {reason: images}. `target` is the
    finding, `""` over all.
    """

    method: str
    metric: str
    mean: float
    median: float
    low: float
    high: float
    n: int
    skipped: dict[str, int]
    target: str = ""


class Summary(tuple[SummaryRow, ...]):
    """The rows of `Scores.summary`; its text is a table, metric by metric."""

    __slots__ = ()

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        several = any(row.target for row in self)
        heads = [
            *(["finding"] if several else []),
            "metric",
            "method",
            "mean",
            "95 % interval",
            "median",
            "images",
            "skipped",
        ]
        rows = []
        order = list(dict.fromkeys(row.metric for row in self))
        for row in sorted(self, key=lambda row: order.index(row.metric)):
            interval = f"{row.low:.3f}..{row.high:.3f}" if np.isfinite(row.low) else "–"
            numbers = [f"{value:.3f}" if np.isfinite(value) else "–" for value in (row.mean, row.median)]
            skipped = "; ".join(f"{count} {reason}" for reason, count in sorted(row.skipped.items()))
            first = [row.target or "all"] if several else []
            rows.append([*first, row.metric, row.method, numbers[0], interval, numbers[1], str(row.n), skipped])
        return heads, rows

    def __str__(self) -> str:
        heads, rows = self._cells()
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        left = [heads.index(name) for name in heads if name in ("finding", "metric", "method", "skipped")]
        lines = []
        for row in (heads, *rows):
            cells = (
                f"{c:<{w}}" if i in left else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heads, rows = self._cells()
        return _html_table("", heads, rows)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and median; NaN for none."""
    array = np.asarray(values, np.float64)
    return (float(array.mean()), float(np.median(array))) if array.size else (float("nan"), float("nan"))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _html_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    said = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(line(row, "td") for row in rows)
    return f"<table>{said}<thead>{line(heads, 'th')}</thead><tbody>{body}</tbody></table>"
