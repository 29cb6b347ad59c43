"""The curves behind some of the metrics, one row per image, method and metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics import pic_curve as curves_of
from xaijax.metrics._columns import (
    TARGET,
    Columns,
    Floats,
    Texts,
    fill_target,
    matrix,
    no_floats,
    no_points,
    no_texts,
    texts,
    with_target,
)

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False, repr=False)
class Curves(Columns):
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

    image: Texts = field(default_factory=no_texts)
    method: Texts = field(default_factory=no_texts)
    metric: Texts = field(default_factory=no_texts)
    draw: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    auc: Floats = field(default_factory=no_floats)
    position: Floats = field(default_factory=no_points)
    value: Floats = field(default_factory=no_points)
    information: Floats = field(default_factory=no_points)
    response: Floats = field(default_factory=no_points)
    target: Texts = field(default_factory=no_texts)

    _value: ClassVar[str] = "auc"

    def __post_init__(self) -> None:
        fill_target(self)

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[Any, ...]]) -> Curves:
        """From tuples in the order of the attributes."""
        if not rows:
            return cls()
        image, method, metric, draw, auc, *points = zip(*rows, strict=True)
        return cls(
            texts(image),
            texts(method),
            texts(metric),
            np.asarray(draw, np.int64),
            np.asarray(auc, np.float64),
            *map(matrix, points),  # type: ignore[arg-type]
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
        return with_target(made, table)


@dataclass(frozen=True, eq=False, repr=False)
class Responses(Columns):
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

    image: Texts = field(default_factory=no_texts)
    method: Texts = field(default_factory=no_texts)
    metric: Texts = field(default_factory=no_texts)
    area: Floats = field(default_factory=no_floats)
    fraction: Texts = field(default_factory=no_texts)
    value: Texts = field(default_factory=no_texts)
    target: Texts = field(default_factory=no_texts)

    _value: ClassVar[str] = "area"

    def __post_init__(self) -> None:
        fill_target(self)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Any, ...]]) -> Responses:
        """From tuples in the order of the attributes."""
        rows = list(rows)
        if not rows:
            return cls()
        image, method, metric, area, fraction, value = zip(*rows, strict=True)
        points = [texts(np.asarray(points, np.float64) for points in column) for column in (fraction, value)]
        return cls(texts(image), texts(method), texts(metric), np.asarray(area, np.float64), *points)

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
        return with_target(cls.from_rows(zip(*(table.column(name).to_pylist() for name in names), strict=True)), table)
