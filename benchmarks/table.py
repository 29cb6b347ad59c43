"""Ratios of the medians from pytest-benchmark's JSON, as a markdown table.

    python benchmarks/table.py benchmarks/results/*.json

One row per group and peer: median of ours, median of the peer, the ratio, its spread from the quartiles
(`peer q1 / ours q3` to `peer q3 / ours q1`), the goal, and whether it is met.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def rows(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """One dictionary per pair of our measurement and a peer's in one group of one file."""
    for path in paths:
        groups: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: {"ours": [], "peer": []})
        for bench in json.loads(path.read_text())["benchmarks"]:
            role = bench["extra_info"].get("role")
            if role in ("ours", "peer"):
                groups[bench["group"]][role].append(bench)
        for group, roles in groups.items():
            for ours in roles["ours"]:
                for peer in roles["peer"]:
                    a, b = ours["stats"], peer["stats"]
                    yield {
                        "case": group,
                        "ours": ours["extra_info"].get("who", "xaijax"),
                        "peer": peer["extra_info"].get("who", "peer"),
                        "ours_s": a["median"],
                        "peer_s": b["median"],
                        "ratio": b["median"] / a["median"],
                        "low": b["q1"] / a["q3"],
                        "high": b["q3"] / a["q1"],
                        "goal": ours["extra_info"].get("goal"),
                        "rounds": min(a["rounds"], b["rounds"]),
                        "file": path.name,
                    }


def seconds(value: float) -> str:
    """A time with a unit that leaves one to three digits before the point."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def markdown(table: Iterable[dict[str, Any]]) -> str:
    """The rows as a markdown table."""
    lines = [
        "| case | ours | peer | peer's time | our time | ratio (quartiles) | goal | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        goal, met = "", ""
        if row["goal"] is not None:
            goal, met = f"{row['goal']}x", "yes" if row["ratio"] >= row["goal"] else "no"
        lines.append(
            f"| {row['case']} | {row['ours']} | {row['peer']} | {seconds(row['peer_s'])} | {seconds(row['ours_s'])} "
            f"| {row['ratio']:.3g}x ({row['low']:.3g} to {row['high']:.3g}) | {goal} | {met} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="JSON files written by pytest --benchmark-json")
    print(markdown(rows(parser.parse_args().results)))


if __name__ == "__main__":
    main()
