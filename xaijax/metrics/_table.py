"""The tables of all metrics, of their settings and of the reasons why there is no value, from the registry.

python -m xaijax.metrics._table docs/metrics.md    writes them between their marks
python -m xaijax.metrics._table                    prints them
"""

import sys
from pathlib import Path

from xaijax.metrics._describe import describe, settings_of
from xaijax.metrics.registry import FAMILIES, REASONS

MARKS = {
    "metrics": ("<!-- metrics: written by python -m xaijax.metrics._table -->", "<!-- end of metrics -->"),
    "settings": ("<!-- settings: written by python -m xaijax.metrics._table -->", "<!-- end of settings -->"),
    "reasons": ("<!-- reasons: written by python -m xaijax.metrics._table -->", "<!-- end of reasons -->"),
}
HEADINGS = ("name", "what it is", "range", "better", "unit", "needs", "passes", "reference", "validated against")


def metrics() -> list[str]:
    """Lines of Markdown: for each family a heading and a table."""
    lines = []
    for name, family in FAMILIES.items():
        lines += ["", f"### {family.title or name}", "", _row(HEADINGS), "|" + "---|" * len(HEADINGS)]
        for one in describe(name):
            needs = ", ".join(one.needs) or "-"
            cells = (one.summary, one.range, one.better, one.unit, needs, one.passes, one.reference, one.parity or "-")
            lines.append(_row((f"`{one.name}`", *cells)))
    return [*lines, ""]


def settings() -> list[str]:
    """Lines of the Markdown table of settings."""
    rows = [_row(("setting", "default", "allowed", "what it is")), "|---|---|---|---|"]
    for name, family in FAMILIES.items():
        options = settings_of(family)
        rows += [_row((f"`{name}.{one.name}`", one.default, one.allowed, one.summary)) for one in options]
    return rows


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
