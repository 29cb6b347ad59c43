"""A run of `xaijax bench` as a table of docs/studies/explainers.md: one row per method, one column per metric.

    python benchmarks/localization_table.py RUN NAME docs/studies/explainers.md

writes the means of RUN's summary, best first by its first metric, between the page's two marks of this NAME; without a
page it prints them. `*` stands at the values whose 95 % interval does not touch that of the control `random`.
"""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from xaijax.bench.results import describe
from xaijax.metrics import METRICS


def rows(run: Path) -> list[str]:
    """Lines of the Markdown table of one run."""
    found: dict[tuple[str, str], tuple[float, float, float]] = {}
    with (run / "summary.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["mean"]:
                found[row["method"], row["metric"]] = tuple(float(row[key] or "nan") for key in ("mean", "low", "high"))  # type: ignore[assignment]
    metrics = list(dict.fromkeys(metric for _, metric in found))
    methods = list(dict.fromkeys(method for method, _ in found))
    first = metrics[0]
    methods.sort(key=lambda method: found[method, first][0], reverse=METRICS[first].higher_is_better)

    def cell(method: str, metric: str) -> str:
        if (method, metric) not in found:
            return "-"
        mean, low, high = found[method, metric]
        chance = found.get(("random", metric))
        apart = chance is not None and method != "random" and (low > chance[2] or high < chance[1])
        return f"{mean:.3f}{' *' if apart else ''}"

    lines = [
        f"| method | {' | '.join(describe(metric)['title'] for metric in metrics)} |",
        "|---" * (len(metrics) + 1) + "|",
    ]
    return lines + [f"| `{m}` | {' | '.join(cell(m, metric) for metric in metrics)} |" for m in methods]


def main(arguments: Sequence[str]) -> int:
    """Prints the table, or writes it into a page."""
    run, name = Path(arguments[0]), arguments[1]
    command = json.loads((run / "run.json").read_text("utf-8"))["command"]
    lines = [f"    {command}", "", *rows(run)]
    if len(arguments) < 3:
        print("\n".join(lines))
        return 0
    page = Path(arguments[2])
    start, end = f"<!-- {name}: written by benchmarks/localization_table.py -->", f"<!-- end of {name} -->"
    before, mark, rest = page.read_text("utf-8").partition(start)
    _, last, after = rest.partition(end)
    if not mark or not last:
        raise ValueError(f"{page} has no lines {start} and {end} to put the table between")
    page.write_text("\n".join([before + start, *lines, end + after]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
