"""The result of an evaluation: one row per image, method and metric, and the curves behind some of the metrics.

`Scores`, `Curves` and `Responses` are tables in columns: NumPy arrays of one length, with names as Python strings.
"""

from __future__ import annotations

import html
import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics import _plot
from xaijax.metrics import pic_curve as curves_of
from xaijax.metrics._interval import mean_interval
from xaijax.metrics.metric import shorten

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

Texts = NDArray[np.object_]
Floats = NDArray[np.float64]
Self = TypeVar("Self", bound="_Columns")
NAMES = ("image", "method", "metric")


def _texts(values: Iterable[Any]) -> Texts:
    values = list(values)
    result = np.empty(len(values), object)
    result[:] = values
    return result


def _matrix(values: Any) -> Floats:
    values = np.asarray(values, np.float64)
    return values if values.ndim == 2 else values.reshape(len(values), -1)


def _no_texts() -> Texts:
    return _texts([])


def _no_floats() -> Floats:
    return np.zeros(0)


def _no_points() -> Floats:
    return np.zeros((0, 0))


class _Columns:
    """A frozen dataclass of columns of one length, the first three of which are the names."""

    image: Texts
    method: Texts
    metric: Texts
    _value: ClassVar[str]
    """The column that `_repr_html_` shows the means of."""

    def __len__(self) -> int:
        return len(self.image)

    def _columns(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    def take(self: Self, rows: Any) -> Self:
        """The rows of an index or boolean array."""
        return type(self)(**{name: column[rows] for name, column in self._columns().items()})

    def select(self: Self, *, image: str | None = None, method: str | None = None, metric: str | None = None) -> Self:
        """The rows that match every name that is given."""
        return self.take(self._matching(image, method, metric))

    @classmethod
    def concatenate(cls: type[Self], parts: Iterable[Self]) -> Self:
        """The rows of all parts, in order."""
        full = [part._columns() for part in parts if len(part)]
        return cls(**{name: np.concatenate([part[name] for part in full]) for name in full[0]}) if full else cls()

    def _matching(self, image: str | None, method: str | None, metric: str | None) -> NDArray[np.bool_]:
        keep = np.ones(len(self), bool)
        for column, name in ((self.image, image), (self.method, method), (self.metric, metric)):
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
            if name in NAMES:
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

    _value: ClassVar[str] = "auc"

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
            *(_matrix(column) for column in points),
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
        images, index = np.unique(chosen.image.astype(str), return_inverse=True)
        sums = np.zeros((len(images), read.shape[1]))
        np.add.at(sums, index, read)
        value, area = curves_of.aggregate(sums / np.bincount(index)[:, None], how)
        return curves_of.positions(), value, area

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Curves:
        """The inverse of `to_arrow`."""
        return cls.from_rows(list(zip(*(table.column(column.name).to_pylist() for column in fields(cls)), strict=True)))


@dataclass(frozen=True, eq=False, repr=False)
class Responses(_Columns):
    """Curves of perturbation: the model's response against the share of pixels that were changed.

    Attributes:
        image, method, metric: `[N]` names.
        area: `[N]`, under the curve as the metric defines it; NaN where there is none.
        fraction: `[N]` arrays of P numbers in [0, 1], ascending: the share of the pixels that were changed.
        value: `[N]` arrays of P numbers: the response there. P may differ between rows.

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

    _value: ClassVar[str] = "area"

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
        return cls.from_rows(zip(*(table.column(column.name).to_pylist() for column in fields(cls)), strict=True))


class Score(NamedTuple):
    """One row of `Scores`: `value` is NaN exactly where there is a `reason`."""

    image: str
    method: str
    metric: str
    value: float
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Scores(_Columns):
    """Scores in long form: one row per image, method and metric.

    Attributes:
        image, method, metric: `[N]` names.
        value: `[N]` float64, NaN where there is none.
        reason: `[N]` a code of `xaijax.metrics.REASONS`: why there is no value, `""` where there is one.
        curves: the curves behind the information metrics.
        responses: the curves behind the perturbation metrics.

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

    _value: ClassVar[str] = "value"

    def __post_init__(self) -> None:
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
        return {name: getattr(self, name) for name in (*NAMES, "value", "reason")}

    def __iter__(self) -> Iterator[Score]:
        """The rows, one after the other."""
        return map(Score._make, zip(*(column.tolist() for column in self._columns().values()), strict=True))

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[tuple[str, str, str, float, str]],
        curves: Curves | None = None,
        responses: Responses | None = None,
    ) -> Scores:
        """From tuples (image, method, metric, value, reason)."""
        rows = list(rows)
        kept = Curves() if curves is None else curves, Responses() if responses is None else responses
        if not rows:
            return cls(curves=kept[0], responses=kept[1])
        image, method, metric, value, reason = zip(*rows, strict=True)
        return cls(_texts(image), _texts(method), _texts(metric), np.asarray(value, np.float64), _texts(reason), *kept)

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

    def take(self, rows: Any) -> Scores:
        """The rows of an index or boolean array, without the curves; `select` keeps them."""
        return Scores(**{name: column[rows] for name, column in self._columns().items()})

    def select(self, *, image: str | None = None, method: str | None = None, metric: str | None = None) -> Scores:
        """The rows that match every name that is given, with their curves."""
        keep, wanted = self._matching(image, method, metric), {"image": image, "method": method, "metric": metric}
        columns = {name: column[keep] for name, column in self._columns().items()}
        return Scores(**columns, curves=self.curves.select(**wanted), responses=self.responses.select(**wanted))

    def matrix(self, metric: str) -> tuple[list[str], list[str], Floats]:
        """One metric as a table: `(images, methods, values [images, methods])`, NaN where there is no value."""
        chosen = self.metric == metric
        images, methods = list(dict.fromkeys(self.image[chosen])), list(dict.fromkeys(self.method[chosen]))
        values = np.full((len(images), len(methods)), np.nan)
        row, column = {name: i for i, name in enumerate(images)}, {name: i for i, name in enumerate(methods)}
        for image, method, value in zip(self.image[chosen], self.method[chosen], self.value[chosen], strict=True):
            values[row[image], column[method]] = value
        return images, methods, values

    def to_arrow(self) -> pa.Table:
        """The columns image, method, metric, value (NaN, not null, where there is none) and reason."""
        import pyarrow as pa

        types = {"value": pa.float64()}
        return pa.table({name: pa.array(v, types.get(name, pa.string())) for name, v in self._columns().items()})

    def to_pandas(self) -> Any:
        """The columns of `to_arrow` as a `pandas.DataFrame`.

        Raises:
            ImportError: where pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ModuleNotFoundError:
            raise ImportError("to_pandas needs pandas: run `pip install pandas`, or use to_arrow()") from None
        return pandas.DataFrame(self._columns())

    def summary(self, *, seed: int = 0) -> Summary:
        """Mean, interval, median and number of values of every method under every metric.

        Args:
            seed: of the bootstrap of the intervals.

        Returns:
            A `Summary`, whose rows come in order of first appearance; `print` shows it as a table.

        Example:
            >>> found = [("a", 0.5, ""), ("b", 0.7, ""), ("c", np.nan, "flat_map")]
            >>> rows = [(image, "cam", "iou", value, reason) for image, value, reason in found]
            >>> print(Scores.from_rows(rows).summary())
            metric  method   mean  95 % interval  median  images  skipped
            iou     cam     0.600   0.500..0.700   0.600       2  1 flat_map
        """
        values: dict[tuple[str, str], list[float]] = {}
        reasons: dict[tuple[str, str], Counter[str]] = {}
        for row in self:
            key = (row.method, row.metric)
            own, skipped = values.setdefault(key, []), reasons.setdefault(key, Counter())
            if row.reason:
                skipped[row.reason] += 1
            else:
                own.append(row.value)
        return Summary(
            SummaryRow(
                method, metric, *_mean(own), *mean_interval(own, seed=seed), len(own), dict(reasons[method, metric])
            )
            for (method, metric), own in values.items()
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
            panels.setdefault(row.metric, []).append(_plot.Bar(row.method, row.mean, row.low, row.high))
        return _plot.panels(panels)

    def _words(self) -> str:
        return f"{super()._words()}; {int(np.isnan(self.value).sum())} without a value"

    @classmethod
    def from_arrow(cls, table: pa.Table, curves: pa.Table | None = None) -> Scores:
        """The inverse of `to_arrow`, with `Curves.to_arrow` where there is one."""
        columns = [table.column(name).to_pylist() for name in (*NAMES, "value", "reason")]
        return cls.from_rows(zip(*columns, strict=True), None if curves is None else Curves.from_arrow(curves))


class SummaryRow(NamedTuple):
    """One method under one metric.

    `mean` and `median` are over the `n` images with a value, `low` and `high` bound the 95 % bootstrap interval of the
    mean; NaN where there are too few. `skipped` counts the images without a value: {reason: images}.
    """

    method: str
    metric: str
    mean: float
    median: float
    low: float
    high: float
    n: int
    skipped: dict[str, int]


class Summary(tuple[SummaryRow, ...]):
    """The rows of `Scores.summary`; its text is a table, metric by metric."""

    __slots__ = ()

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        heads = ["metric", "method", "mean", "95 % interval", "median", "images", "skipped"]
        rows = []
        order = list(dict.fromkeys(row.metric for row in self))
        for row in sorted(self, key=lambda row: order.index(row.metric)):
            interval = f"{row.low:.3f}..{row.high:.3f}" if np.isfinite(row.low) else "–"
            numbers = [f"{value:.3f}" if np.isfinite(value) else "–" for value in (row.mean, row.median)]
            skipped = "; ".join(f"{count} {reason}" for reason, count in sorted(row.skipped.items()))
            rows.append([row.metric, row.method, numbers[0], interval, numbers[1], str(row.n), skipped])
        return heads, rows

    def __str__(self) -> str:
        heads, rows = self._cells()
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        left = (0, 1, 6)
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
