"""The result of an evaluation: one row per image, method and metric, and the curves behind the information metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics import pic_curve as curves_of

if TYPE_CHECKING:
    import pyarrow as pa

Texts = NDArray[np.object_]
Floats = NDArray[np.float64]


def _texts(values: Iterable[Any]) -> Texts:
    values = list(values)
    result = np.empty(len(values), object)
    result[:] = values
    return result


def _matrix(values: Any) -> Floats:
    values = np.asarray(values, np.float64)
    return values if values.ndim == 2 else values.reshape(len(values), -1)


@dataclass(frozen=True, eq=False)
class Curves:
    """Performance Information Curves, one row per image, method, metric and random mask.

    Attributes:
        image, method, metric: `[N]` names; the metric says which response and which information measure.
        draw: `[N]` int64, which of the image's random masks.
        auc: `[N]`, area under the curve, 0 to 1.
        position, value: `[N, T + 2]`, the curve's points in reading order, (0, 0) and (1, 1) included.
        information, response: `[N, T]`, in the order of the fractions, scaled between the blurred image (0) and the
            original (1) but neither clipped nor sorted: what the curve was made of.
    """

    image: Texts = field(default_factory=lambda: _texts([]))
    method: Texts = field(default_factory=lambda: _texts([]))
    metric: Texts = field(default_factory=lambda: _texts([]))
    draw: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    auc: Floats = field(default_factory=lambda: np.zeros(0))
    position: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    value: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    information: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    response: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def __len__(self) -> int:
        return len(self.image)

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

    def take(self, rows: Any) -> Curves:
        """The rows of an index or boolean array."""
        return Curves(*(getattr(self, column.name)[rows] for column in fields(self)))

    def select(self, *, image: str | None = None, method: str | None = None, metric: str | None = None) -> Curves:
        """The rows that match every name that is given."""
        keep = _matching(self, image, method, metric)
        return self.take(keep)

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

    def to_arrow(self) -> pa.Table:
        """As an Arrow table; the points are lists."""
        import pyarrow as pa

        columns: dict[str, Any] = {name: pa.array(getattr(self, name), pa.string()) for name in _NAMES}
        columns |= {"draw": pa.array(self.draw), "auc": pa.array(self.auc)}
        for name in ("position", "value", "information", "response"):
            columns[name] = pa.array(list(getattr(self, name)), pa.list_(pa.float64()))
        return pa.table(columns)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Curves:
        """The inverse of `to_arrow`."""
        return cls.from_rows(list(zip(*(table.column(column.name).to_pylist() for column in fields(cls)), strict=True)))


@dataclass(frozen=True, eq=False)
class Responses:
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

    image: Texts = field(default_factory=lambda: _texts([]))
    method: Texts = field(default_factory=lambda: _texts([]))
    metric: Texts = field(default_factory=lambda: _texts([]))
    area: Floats = field(default_factory=lambda: np.zeros(0))
    fraction: Texts = field(default_factory=lambda: _texts([]))
    value: Texts = field(default_factory=lambda: _texts([]))

    def __len__(self) -> int:
        return len(self.image)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Any, ...]]) -> Responses:
        """From tuples in the order of the attributes."""
        rows = list(rows)
        if not rows:
            return cls()
        image, method, metric, area, fraction, value = zip(*rows, strict=True)
        points = [_texts(np.asarray(points, np.float64) for points in column) for column in (fraction, value)]
        return cls(_texts(image), _texts(method), _texts(metric), np.asarray(area, np.float64), *points)

    @classmethod
    def concatenate(cls, parts: Iterable[Responses]) -> Responses:
        """The rows of all parts, in order."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(p, c.name) for p in parts]) for c in fields(cls))) if parts else cls()

    def select(self, *, image: str | None = None, method: str | None = None, metric: str | None = None) -> Responses:
        """The rows that match every name that is given."""
        keep = _matching(self, image, method, metric)
        return Responses(*(getattr(self, column.name)[keep] for column in fields(self)))

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

    def to_arrow(self) -> pa.Table:
        """As an Arrow table; the points are lists."""
        import pyarrow as pa

        columns: dict[str, Any] = {name: pa.array(getattr(self, name), pa.string()) for name in _NAMES}
        columns["area"] = pa.array(self.area)
        for name in ("fraction", "value"):
            columns[name] = pa.array(list(getattr(self, name)), pa.list_(pa.float64()))
        return pa.table(columns)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Responses:
        """The inverse of `to_arrow`."""
        return cls.from_rows(zip(*(table.column(column.name).to_pylist() for column in fields(cls)), strict=True))


def _matching(table: Any, image: str | None, method: str | None, metric: str | None) -> NDArray[np.bool_]:
    keep = np.ones(len(table), bool)
    for column, name in ((table.image, image), (table.method, method), (table.metric, metric)):
        if name is not None:
            keep &= column == name
    return keep


_NAMES = ("image", "method", "metric")


@dataclass(frozen=True, eq=False)
class Scores:
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

    image: Texts = field(default_factory=lambda: _texts([]))
    method: Texts = field(default_factory=lambda: _texts([]))
    metric: Texts = field(default_factory=lambda: _texts([]))
    value: Floats = field(default_factory=lambda: np.zeros(0))
    reason: Texts = field(default_factory=lambda: _texts([]))
    curves: Curves = field(default_factory=Curves)
    responses: Responses = field(default_factory=Responses)

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in (*_NAMES, "value", "reason")}
        if len(lengths) != 1:
            raise ValueError(f"the columns of scores must have one length; got lengths {sorted(lengths)}")
        missing = np.isnan(self.value)
        if (missing != (self.reason != "")).any():
            row = int(np.flatnonzero(missing != (self.reason != ""))[0])
            raise ValueError(
                f"a score is NaN exactly where it has a reason; row {row} has the value {self.value[row]} and the "
                f"reason {self.reason[row]!r}"
            )

    def __len__(self) -> int:
        return len(self.image)

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
        """The rows of all parts, in order."""
        parts = list(parts)
        if not parts:
            return cls()
        full = [part.curves for part in parts if len(part.curves)]
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_NAMES, "value", "reason")
        }
        curves = (
            Curves(*(np.concatenate([getattr(part, column.name) for part in full]) for column in fields(Curves)))
            if full
            else Curves()
        )
        return cls(**columns, curves=curves, responses=Responses.concatenate(part.responses for part in parts))

    def select(self, *, image: str | None = None, method: str | None = None, metric: str | None = None) -> Scores:
        """The rows that match every name that is given, with their curves."""
        keep = _matching(self, image, method, metric)
        columns = {name: getattr(self, name)[keep] for name in (*_NAMES, "value", "reason")}
        wanted = {"image": image, "method": method, "metric": metric}
        return Scores(**columns, curves=self.curves.select(**wanted), responses=self.responses.select(**wanted))

    def images(self) -> list[str]:
        """The images, in order of first appearance."""
        return list(dict.fromkeys(self.image))

    def methods(self) -> list[str]:
        """The methods, in order of first appearance."""
        return list(dict.fromkeys(self.method))

    def metrics(self) -> list[str]:
        """The metrics, in order of first appearance."""
        return list(dict.fromkeys(self.metric))

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

        columns: dict[str, Any] = {name: pa.array(getattr(self, name), pa.string()) for name in _NAMES}
        return pa.table(columns | {"value": pa.array(self.value), "reason": pa.array(self.reason, pa.string())})

    @classmethod
    def from_arrow(cls, table: pa.Table, curves: pa.Table | None = None) -> Scores:
        """The inverse of `to_arrow`, with `Curves.to_arrow` where there is one."""
        columns = [table.column(name).to_pylist() for name in (*_NAMES, "value", "reason")]
        return cls.from_rows(zip(*columns, strict=True), None if curves is None else Curves.from_arrow(curves))
