"""Rows as CSV for programs, as Markdown for people, as LaTeX for papers, and as a table in the terminal."""

import csv
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def to_csv(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] | Mapping[str, str] | None = None,
    *,
    text: Callable[[Any], Any] | None = None,
) -> str:
    """Rows as CSV text.

    Args:
        rows: mappings.
        columns: their keys, in order, or {key: heading}; default: the keys of all rows.
        text: how a cell is written; default: floats with six significant digits, of a million and more with all of
            them, None and NaN as nothing.

    Example:
        >>> print(to_csv([{"method": "cam", "iou": 0.25}, {"method": "rise", "iou": None}]), end="")
        method,iou
        cam,0.25
        rise,
    """
    names = list(columns) if columns is not None else list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns.values() if isinstance(columns, Mapping) else names)
    for row in rows:
        writer.writerow([(text or _exact)(row.get(name)) for name in names])
    return out.getvalue()


def to_markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | None = None) -> str:
    """Rows as a Markdown table.

    Args:
        rows: mappings.
        columns: {key: heading}; default: the keys of the first row, with spaces for underscores.

    Example:
        >>> rows = [{"method": "cam", "iou": 0.25}, {"method": "rise", "iou": None}]
        >>> print(to_markdown(rows, {"method": "", "iou": "IoU"}))
        |  | IoU |
        |---|---|
        | cam | 0.250 |
        | rise | – |
    """
    if not rows:
        return ""
    columns = columns or {key: key.replace("_", " ") for key in rows[0]}
    lines = [f"| {' | '.join(map(markdown, columns.values()))} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(markdown(rounded(row.get(key))) for key in columns)} |" for row in rows]
    return "\n".join(lines)


def markdown(text: Any) -> str:
    """A text as a cell of a Markdown table shows it.

    Example:
        >>> print(markdown("a|b of <i>, *all*"))
        a\\|b of \\<i>, \\*all\\*
    """
    # An underscore inside a word stays: it emphasises nothing there.
    return re.sub(r"([\\`*|<\[]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(str(text).split()))


_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "…": r"\ldots{}", "·": r"$\cdot$"},
    **{"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$"},
    **{"∞": r"$\infty$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "→": r"$\rightarrow$"},
}


def latex(text: Any) -> str:
    """A text as LaTeX shows it.

    Example:
        >>> print(latex("top-15 % energy ↑ of grad_cam"))
        top-15 \\% energy $\\uparrow$ of grad\\_cam
    """
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(str(text).split()))


def to_latex(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str] | None = None,
    *,
    caption: str = "",
    label: str = "",
    bold: Collection[tuple[int, str]] = (),
) -> str:
    """Rows as a LaTeX table with the rules of the package booktabs.

    Args:
        rows: mappings.
        columns: {key: heading}; default: the keys of the first row, with spaces for underscores.
        caption: below the table.
        label: for references; what a label may not hold becomes a hyphen.
        bold: (row, key) of the cells that are set in bold.

    Example:
        >>> print(to_latex([{"method": "grad_cam", "iou": 0.25}], bold=[(0, "iou")]), end="")
        \\begin{table}
        \\centering
        \\begin{tabular}{lr}
        \\toprule
        method & iou \\\\
        \\midrule
        grad\\_cam & \\textbf{0.250} \\\\
        \\bottomrule
        \\end{tabular}
        \\end{table}
    """
    columns = columns or {key: key.replace("_", " ") for key in (rows[0] if rows else ())}
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{'l' + 'r' * (len(columns) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(latex, columns.values())) + r" \\", r"\midrule"]
    for place, row in enumerate(rows):
        cells = [latex(rounded(row.get(key))) for key in columns]
        cells = [rf"\textbf{{{c}}}" if (place, k) in bold else c for k, c in zip(columns, cells, strict=True)]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\caption{{{latex(caption)}}}"] if caption else []
    lines += [rf"\label{{{re.sub(r'[^A-Za-z0-9:._-]+', '-', label)}}}"] if label else []
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def print_rows(
    console: "Console",
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str = "",
    columns: Mapping[str, str] | None = None,
) -> None:
    """Rows as a table in the terminal: numbers to the right, long texts folded.

    Args:
        console: where to print.
        rows: mappings.
        title: above the table.
        columns: {key: heading}; default: the keys of the first row, with spaces for underscores.
    """
    from rich.table import Table
    from rich.text import Text

    columns = columns or {key: key.replace("_", " ") for key in (rows[0] if rows else ())}
    # As Text: a name in square brackets is no style.
    table = Table(box=None, title=Text(title) if title else None, title_justify="left")
    for key, heading in columns.items():
        numeric = all(isinstance(row.get(key), int | float | None) for row in rows)
        table.add_column(Text(heading), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(rounded(row.get(key))) for key in columns))
    console.print(table)


def rounded(value: Any) -> str:
    """A cell for people: three decimals, a dash where there is no value.

    Example:
        >>> [rounded(value) for value in (0.25, -0.0, -1e-9, 1234.5, 2.5e30, None)]
        ['0.250', '0.000', '-1e-09', '1234', '2.5e+30', '–']
    """
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if 0 < abs(value) < 0.001:  # seconds for one image
            return f"{value:.2g}"
        if abs(value) >= 1e12:
            return f"{value:.4g}"
        return f"{value + 0.0:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def _exact(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if abs(value) < 1e6 else repr(float(value))
