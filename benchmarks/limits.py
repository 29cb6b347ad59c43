"""Writes what limits each explainer, and what the profiler found, into README.md from stored profiles.

    xaijax profile --model resnet50 --batch 1 8 --methods ... --out DIR     # then copy DIR/profile.jsonl
    python benchmarks/limits.py

`results/profile_resnet50.jsonl` is the first table, `results/profile_precision.jsonl` the one of precisions.
`results/found_before.jsonl` and `found_after.jsonl` are profiles of the same cells before and after a change, from the
same minutes on a quiet machine; found_predict.json holds the seconds of
`jax.jit` and of `Classifier.predict`, interleaved.
`results/bare_passes.json`, by bare_passes.py, has methods timed against the passes that they need.
"""

import json
from pathlib import Path
from typing import Any

from xaijax.profiling import compare, records, show, statistics
from xaijax.profiling.config import FORWARD

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results", HERE / "README.md"
LIMITS = ("<!-- limits: written by limits.py -->", "<!-- limits: end -->")
PRECISION = ("<!-- precision: written by limits.py -->", "<!-- precision: end -->")
BARE = ("<!-- bare passes: written by limits.py -->", "<!-- bare passes: end -->")
ABOVE = "## What the profiler found"
"""Where the section of bare passes goes when it is written for the first time."""
BARE_INTRODUCTION = """## Methods against their bare passes

Each method interleaved with the compiled model passes that it needs, in the same batches and on the same image; before
that its maps are compared with another way to the same answer (`benchmarks/bare_passes.py` says which). A gradient with
respect to the image counts three passes."""
FOUND = ("<!-- found: written by limits.py -->", "<!-- found: end -->")

# Forward passes by a method's own definition, from its options; a gradient with respect to the image counts three.
NEEDS: dict[str, Any] = {
    "integrated_gradients": lambda o: 3 * o["steps"],
    "smoothgrad": lambda o: 3 * o["draws"],
    "smoothgrad_squared": lambda o: 3 * o["draws"],
    "vargrad": lambda o: 3 * o["draws"],
    "smoothgrad_ig": lambda o: 3 * o["draws"] * o["steps"],
    "expected_gradients": lambda o: 3 * o["draws"],
    "blur_ig": lambda o: 3 * o["steps"],
    "guided_ig": lambda o: 3 * o["steps"],
    "smooth_blur_ig": lambda o: 3 * o.get("draws", 25) * o.get("steps", 100),
    "smooth_guided_ig": lambda o: 3 * o.get("draws", 25) * o.get("steps", 200),
    "smooth_grad_cam_pp": lambda o: 1 + o.get("draws", 25),
    "xrai": lambda o: 2 * 3 * o["steps"],
    "xrai_fast": lambda o: 2 * 3 * o["steps"],
    "score_cam": lambda o: 1 + o["max_channels"],
    "occlusion": lambda o: 1 + (-(-(224 - o["window"]) // o["stride"]) + 1) ** 2,
    "rise": lambda o: o["count"],
    "lime": lambda o: 1 + o["count"],
    "kernel_shap": lambda o: 2 + o["count"],
    "sobol": lambda o: o["design"] * (o["regions"] ** 2 + 1),
    "hsic": lambda o: o["count"],
    "extremal_perturbation": lambda o: 3 * o["steps"],
}


def needs(record: dict[str, Any]) -> float | None:
    if record["needs"] is not None or not record["options"]:
        return record["needs"]
    formula = NEEDS.get(record["method"])
    return None if formula is None else formula(record["options"])


def limits(found: list[dict[str, Any]]) -> str:
    timed = [record for record in found if "skipped" not in record]
    names = list(dict.fromkeys([FORWARD, *(record["method"] for record in timed)]))
    models = list(dict.fromkeys(record["model"] for record in timed))
    timed.sort(key=lambda r: (models.index(r["model"]), names.index(r["method"]), r["batch"]))
    lines = [
        "| method | batch | options | images/s | passes | needs | on the host | memory | FLOP/byte | limited by |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for record in timed:
        options = ", ".join(f"{key} {value}" for key, value in record["options"].items()) or "–"
        rate = record["images_per_second"]
        units = record["units"]["median"] if record["units"] else None
        name = record["method"] + ("" if record["model"] == models[0] else f" ({record['model']})")
        lines.append(
            f"| {name} | {record['batch']} | {options} | {show.number(rate['median'])} "
            f"| {show.number(units)} | {show.number(needs(record))} | {100 * record['host_share']:.0f} % "
            f"| {show.size(record['memory']['planned_bytes'])} | {show.number(record['intensity'])} "
            f"| {record['verdict']} |"
        )
    about = timed[0]
    commands = "`; `".join(dict.fromkeys(record["command"] for record in timed))
    versions = about["versions"]
    product = span([record["ceilings"]["flops"]["float32"] / 1e9 for record in timed])
    copy = span([record["ceilings"]["bytes"] / 1e9 for record in timed])
    lines += [
        "",
        f"{about['machine']['processor']}, {about['machine']['threads']} cores, jax {versions['jax']}, {models[0]} "
        "unless said, random weights, batch normalisation folded. Ceilings of each run: matrix product "
        f"{product} GFLOP/s, copy {copy} GB/s. Memory is XLA's plan, weights included. Commands: `{commands}`; "
        "table by `python benchmarks/limits.py`.",
    ]
    return "\n".join(lines)


def span(values: list[float]) -> str:
    low, high = f"{min(values):.0f}", f"{max(values):.0f}"
    return low if low == high else f"{low} to {high}"


def precisions(found: dict[Any, Any]) -> str:
    """The same cells in two precisions, of one run."""
    timed = [record for record in found.values() if "skipped" not in record]
    plain = {(r["model"], r["method"], r["batch"]): r for r in timed if r["precision"] == "float32"}
    lines = [
        "| model | method | batch | float32 | bfloat16 | bfloat16 / float32 (95 % interval) | compile time | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for other in timed:
        if other["precision"] == "float32":
            continue
        one = plain[other["model"], other["method"], other["batch"]]
        spread = statistics.ratio(other["seconds"], one["seconds"])
        compiled = [f"{record['compile']['compile']:.1f} s" for record in (one, other)]
        memory = [show.size(record["memory"]["planned_bytes"]) for record in (one, other)]
        times = [show.seconds(record["latency"]["median"]) for record in (one, other)]
        lines.append(
            f"| {one['model']} | {one['method']} | {one['batch']} | {times[0]} | {times[1]} | {spread['ratio']:.2f} "
            f"({spread['low']:.2f} to {spread['high']:.2f}) | {' / '.join(compiled)} | {' / '.join(memory)} |"
        )
    commands = "`; `".join(dict.fromkeys(record["command"] for record in timed))
    return "\n".join([*lines, "", f"By `{commands}`; table by `python benchmarks/limits.py`."])


def found_table(before: dict[Any, Any], after: dict[Any, Any]) -> str:
    lines = [
        "| cell | before | after | time after / before (95 % interval) | in forward passes |",
        "|---|---|---|---|---|",
    ]
    for change in sorted(compare.compare(after, before), key=lambda change: change.ratio):
        # Nothing was changed in ResNet-50's forward pass, nor in these backends: they compare how busy the machine was.
        if change.name.startswith(f"{FORWARD}, resnet50") or any(
            word in change.name for word in ("numba", "NumPy", "in jit")
        ):
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


def bare_table(found: dict[str, Any]) -> str:
    """One row per method: passes, time, and the ratio to its bare passes next to its goal."""
    lines = [
        "| method | model | passes | time | bare passes | time / bare (quartiles) | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["methods"]:
        low, high = row["quartiles"]
        goal = "–" if row["goal"] is None else f"{row['goal']:.2f}{'' if row['ratio'] <= row['goal'] else ' (missed)'}"
        lines.append(
            f"| {row['method']} | {row['model']} | {row['passes']} | {show.seconds(row['seconds'])} "
            f"| {show.seconds(row['bare_seconds'])} | {row['ratio']:.2f} ({low:.2f} to {high:.2f}) | {goal} |"
        )
    machine, versions = found["machine"], found["versions"]
    lines += [
        "",
        f"{machine['processor']}, {machine['threads']} threads, jax {versions['jax']}, 224 pixels, one image. By "
        f"`{found['command']}`; table by `python benchmarks/limits.py`.",
    ]
    return "\n".join(lines)


def put(page: str, marks: tuple[str, str], text: str) -> str:
    before, rest = page.split(marks[0])
    return f"{before}{marks[0]}\n{text}\n{marks[1]}{rest.split(marks[1])[1]}"


def main() -> None:
    page = PAGE.read_text()
    profile = records.read(RESULTS / "profile_resnet50.jsonl")
    if profile:
        page = put(page, LIMITS, limits(list(profile.values())))
    both = records.read(RESULTS / "profile_precision.jsonl")
    if both:
        page = put(page, PRECISION, precisions(both))
    after = records.read(RESULTS / "found_after.jsonl")
    if after:
        page = put(page, FOUND, found_table(records.read(RESULTS / "found_before.jsonl"), after))
    path = RESULTS / "bare_passes.json"
    if path.exists():
        if BARE[0] not in page:
            page = page.replace(ABOVE, f"{BARE_INTRODUCTION}\n\n{BARE[0]}\n{BARE[1]}\n\n{ABOVE}")
        page = put(page, BARE, bare_table(json.loads(path.read_text())))
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
