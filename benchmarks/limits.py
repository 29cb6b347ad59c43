"""Writes what limits each explainer, and what the profiler found, into README.md from stored profiles.

    xaijax profile --model resnet50 --batch 1 8 --methods ... --out DIR     # then copy DIR/profile.jsonl
    python benchmarks/limits.py

`results/profile_resnet50.jsonl` is the first table. `results/found_before.jsonl` and `found_after.jsonl`
are profiles of the same cells before and after a change, from the same minutes on a quiet machine; found_predict.json
holds the seconds of `jax.jit` and of `Classifier.predict`, by turns.
"""

import json
from pathlib import Path
from typing import Any

from xaijax.profiling import compare, records, show, statistics
from xaijax.profiling.config import FORWARD

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results", HERE / "README.md"
LIMITS = ("<!-- limits: written by limits.py -->", "<!-- limits: end -->")
FOUND = ("<!-- found: written by limits.py -->", "<!-- found: end -->")

# Forward passes by a method's own definition, from its options; a gradient with respect to the image counts three.
NEEDS: dict[str, Any] = {
    "integrated_gradients": lambda o: 3 * o["steps"],
    "smoothgrad": lambda o: 3 * o["draws"],
    "blur_ig": lambda o: 3 * o["steps"],
    "guided_ig": lambda o: 3 * o["steps"],
    "xrai": lambda o: 2 * 3 * o["steps"],
    "occlusion": lambda o: 1 + (-(-(224 - o["window"]) // o["stride"]) + 1) ** 2,
    "rise": lambda o: o["count"],
}


def needs(record: dict[str, Any]) -> float | None:
    if record["needs"] is not None or not record["options"]:
        return record["needs"]
    formula = NEEDS.get(record["method"])
    return None if formula is None else formula(record["options"])


def limits(found: list[dict[str, Any]]) -> str:
    timed = [record for record in found if "skipped" not in record]
    names = list(dict.fromkeys([FORWARD, *(record["method"] for record in timed)]))
    timed.sort(key=lambda record: (names.index(record["method"]), record["batch"]))
    lines = [
        "| method | batch | options | images/s | passes | needs | on the host | memory | FLOP/byte | limited by |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for record in timed:
        options = ", ".join(f"{key} {value}" for key, value in record["options"].items()) or "–"
        rate = record["images_per_second"]
        units = record["units"]["median"] if record["units"] else None
        lines.append(
            f"| {record['method']} | {record['batch']} | {options} | {show.number(rate['median'])} "
            f"| {show.number(units)} | {show.number(needs(record))} | {100 * record['host_share']:.0f} % "
            f"| {show.size(record['memory']['planned_bytes'])} | {show.number(record['intensity'])} "
            f"| {record['verdict']} |"
        )
    about, most = timed[0], timed[0]["ceilings"]
    commands = "`; `".join(dict.fromkeys(record["command"] for record in timed))
    versions = about["versions"]
    lines += [
        "",
        f"{about['machine']['processor']}, {about['machine']['threads']} cores, jax {versions['jax']}, random weights, "
        f"batch normalisation folded. Ceilings: matrix product {most['flops']['float32'] / 1e9:.0f} GFLOP/s, copy "
        f"{most['bytes'] / 1e9:.0f} GB/s. Memory is XLA's plan, weights (98 MiB) included. Commands: `{commands}`; "
        "table by `python benchmarks/limits.py`.",
    ]
    return "\n".join(lines)


def found_table(before: dict[Any, Any], after: dict[Any, Any]) -> str:
    lines = [
        "| cell | before | after | time after / before (95 % interval) | in forward passes |",
        "|---|---|---|---|---|",
    ]
    for change in sorted(compare.compare(after, before), key=lambda change: change.ratio):
        # Of the kernel the rows of one thread: others compare how busy the machine was.
        if change.name.startswith(FORWARD) or any(word in change.name for word in ("numba", "NumPy", "in jit")):
            continue
        batch = f", batch of {change.batch}" if isinstance(change.batch, int) else ""
        lines.append(
            f"| {change.name}{batch} | {show.seconds(change.old)} | {show.seconds(change.new)} "
            f"| {change.ratio:.2f} ({change.low:.2f} to {change.high:.2f}) | {show.number(change.units)} |"
        )
    path = RESULTS / "found_predict.json"
    if path.exists():
        seconds = json.loads(path.read_text())
        spread = statistics.ratio(seconds["after"], seconds["before"])
        before_, after_ = (show.seconds(statistics.summary(seconds[key])["median"]) for key in ("before", "after"))
        lines.append(
            f"| Classifier.predict, resnet50 224 px, batch of 8 | {before_} | {after_} "
            f"| {spread['ratio']:.2f} ({spread['low']:.2f} to {spread['high']:.2f}) | – |"
        )
    commands = "`; `".join(dict.fromkeys(record["command"] for record in after.values()))
    return "\n".join([*lines, "", f"By `{commands}`, each in both versions; table by `python benchmarks/limits.py`."])


def put(page: str, marks: tuple[str, str], text: str) -> str:
    before, rest = page.split(marks[0])
    return f"{before}{marks[0]}\n{text}\n{marks[1]}{rest.split(marks[1])[1]}"


def main() -> None:
    page = PAGE.read_text()
    profile = records.read(RESULTS / "profile_resnet50.jsonl")
    if profile:
        page = put(page, LIMITS, limits(list(profile.values())))
    after = records.read(RESULTS / "found_after.jsonl")
    if after:
        page = put(page, FOUND, found_table(records.read(RESULTS / "found_before.jsonl"), after))
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
