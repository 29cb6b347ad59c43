"""Tables in columns: NumPy arrays of one length, with names as Python strings."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.metric import SEPARATOR, shorten

if TYPE_CHECKING:
    import pyarrow as pa

Texts = NDArray[np.object_]
Floats = NDArray[np.float64]
Self = TypeVar("Self", bound="Columns")
NAMES = ("image", "method", "metric")
TARGET = "target"


def texts(values: Iterable[Any]) -> Texts:
    values = list(values)
    result = np.empty(len(values), object)
    result[:] = values
    return result


def matrix(values: Any) -> Floats:
    values = np.asarray(values, np.float64)
    return values if values.ndim == 2 else values.reshape(len(values), -1)


def blank(count: int) -> Texts:
    return texts([""] * count)


def no_texts() -> Texts:
    return texts([])


def no_floats() -> Floats:
    return np.zeros(0)


def no_points() -> Floats:
    return np.zeros((0, 0))


def fill_target(columns: Any) -> None:
    """An empty target for every row, where none was given."""
    if len(columns.target) != len(columns.image):
        object.__setattr__(columns, TARGET, blank(len(columns.image)))


class Columns:
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
        return texts(f"{image}: {target}" if target else image for image, target in named)

    def with_targets(self: Self) -> Self:
        """The same rows, with names of pairs (`xaijax.metrics.metric.pair_name`) taken apart into image and finding."""
        if not any(SEPARATOR in name for name in self.image):
            return self
        parts = [name.partition(SEPARATOR) for name in self.image]
        found = {"image": texts(image for image, _, _ in parts), TARGET: texts(target for _, _, target in parts)}
        return dataclasses.replace(self, **found)  # type: ignore[type-var]

    def paired(self: Self) -> Self:
        """The same rows with the pair of image and finding as the image, for what compares row by row."""
        if not self.by_finding:
            return self
        return dataclasses.replace(self, image=self._pairs(), target=blank(len(self)))  # type: ignore[type-var]

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
        parts = [count_of(len(self.images()), "image"), count_of(len(self.methods()), "method")]
        return f"{count_of(len(self), 'row')}: {', '.join(parts)}, {count_of(len(metrics), 'metric')}{named}"

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
        return html_table(f"{self!r}, mean over images", ["metric", *methods], rows if methods else [])


def with_target(made: Self, table: pa.Table) -> Self:
    """The columns of a table that were read, with its findings where it has any."""
    if TARGET not in table.column_names or not len(made):
        return made
    return dataclasses.replace(made, target=texts(table.column(TARGET).to_pylist()))  # type: ignore[type-var]


def count_of(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def html_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    said = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(line(row, "td") for row in rows)
    return f"<table>{said}<thead>{line(heads, 'th')}</thead><tbody>{body}</tbody></table>"
