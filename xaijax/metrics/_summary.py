"""The table of `Scores.summary`: one row per method and metric."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xaijax.metrics._columns import html_table


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
        return html_table("", heads, rows)
