"""The table of all methods, from the registry and the docstrings.

python -m xaijax.explain._table docs/explainers.md    writes it between its two marks
python -m xaijax.explain._table                       prints it
"""

import sys
from pathlib import Path

from xaijax.explain._describe import formula, passes, section
from xaijax.explain._registry import METHODS

START, END = "<!-- methods: written by python -m xaijax.explain._table -->", "<!-- end of methods -->"
HEADINGS = (
    "name",
    "family",
    "what it computes",
    "passes",
    "needs",
    "differs from the known implementation",
    "reference",
)


def rows() -> list[str]:
    """Lines of the Markdown table, headings included."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
    for method in METHODS.values():
        cells = (
            f"`{method.name}`",
            method.family,
            formula(method),
            passes(method),
            ", ".join(sorted(method.needs)) or "-",
            section(method, "Differences"),
            section(method, "References"),
        )
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return lines


def insert(text: str, lines: list[str]) -> str:
    """A page with the table between its marks replaced; raises `ValueError` where it has none."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the page has no lines {START} and {END} to put the table between")
    return "\n".join([before + start, *lines, end + after])


def main(arguments: list[str]) -> int:
    """Prints the table, or writes it into a page."""
    if not arguments:
        print("\n".join(rows()))
        return 0
    page = Path(arguments[0])
    page.write_text(insert(page.read_text("utf-8"), rows()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
