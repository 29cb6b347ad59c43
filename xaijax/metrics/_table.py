"""The tables of all metrics, of their settings and of the reasons why there is no value, from the registry.

python -m xaijax.metrics._table docs/metrics.md    writes them between their marks
python -m xaijax.metrics._table                    prints them
"""

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from xaijax.metrics.registry import FAMILIES, REASONS, Metric

MARKS = {
    "metrics": ("<!-- metrics: written by python -m xaijax.metrics._table -->", "<!-- end of metrics -->"),
    "settings": ("<!-- settings: written by python -m xaijax.metrics._table -->", "<!-- end of settings -->"),
    "reasons": ("<!-- reasons: written by python -m xaijax.metrics._table -->", "<!-- end of reasons -->"),
}
HEADINGS = ("name", "what it is", "range", "better", "unit", "needs", "reference", "validated against")


def bounds(metric: Metric) -> str:
    """The range in words.

    Example:
        >>> from xaijax.metrics import METRICS
        >>> bounds(METRICS["iou"]), bounds(METRICS["centroid_distance"])
        ('0 to 1', '0 to ∞')
    """
    low, high = metric.range
    return f"{'−∞' if low is None else f'{low:g}'.replace('-', '−')} to {'∞' if high is None else f'{high:g}'}"


def needs(metric: Metric) -> str:
    """What it cannot do without, with the roles of masks.

    Example:
        >>> from xaijax.metrics import METRICS
        >>> needs(METRICS["iou"]), needs(METRICS["adcc"]), needs(METRICS["entropy"])
        ('lesion mask', 'explainer, model', '-')
    """
    words = [f"{role} mask" for role in metric.roles] + sorted(metric.needs - {"mask"})
    return ", ".join(words) or "-"


def metrics() -> list[str]:
    """Lines of Markdown: for each family a heading and a table."""
    lines = []
    for family in FAMILIES.values():
        lines += ["", f"### {family.title or family.name}", "", _row(HEADINGS), "|" + "---|" * len(HEADINGS)]
        for metric in family.metrics:
            better = "higher" if metric.higher_is_better else "lower"
            cells = (metric.summary, bounds(metric), better, metric.unit, needs(metric), metric.reference)
            lines.append(_row((f"`{metric.name}`", *cells, metric.parity or "-")))
    return [*lines, ""]


def settings() -> list[str]:
    """Lines of the Markdown table of settings, with what the docstrings of their classes say of them."""
    rows = [_row(("setting", "default", "what it is")), "|---|---|---|"]
    for family in FAMILIES.values():
        said = _attributes(family.settings)
        options = dataclasses.fields(family.settings)
        rows += [_row((f"`{family.name}.{one.name}`", _default(one.default), said[one.name])) for one in options]
    return rows


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{part:g}" for part in value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _attributes(documented: type) -> dict[str, str]:
    """{name: text} of the section "Attributes" of a docstring; names that share an entry have the same text."""
    _, _, section = (inspect.getdoc(documented) or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    for entry in re.split(r"\n    (?=\S)", f"\n{section}")[1:]:
        names, _, text = entry.partition(": ")
        found |= {name.strip(): " ".join(text.split()).rstrip(".") for name in names.split(",")}
    return found


def reasons() -> list[str]:
    """Lines of the Markdown table of reasons."""
    rows = [_row((f"`{code}`", sentence)) for code, sentence in REASONS.items() if code]
    return [_row(("code", "why there is no value")), "|---|---|", *rows]


def insert(text: str) -> str:
    """A page with the tables between their marks replaced.

    Raises:
        ValueError: for a page without the marks.
    """
    for name, lines in (("metrics", metrics()), ("settings", settings()), ("reasons", reasons())):
        start, end = MARKS[name]
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"the page has no lines {start} and {end} to put the table between")
        text = "\n".join([before + start, *lines, end + after])
    return text


def main(arguments: list[str]) -> int:
    """Prints the tables, or writes them into a page."""
    if not arguments:
        print("\n".join([*metrics(), *settings(), *reasons()]))
        return 0
    page = Path(arguments[0])
    page.write_text(insert(page.read_text("utf-8")), "utf-8")
    return 0


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
