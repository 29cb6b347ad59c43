"""Which metric can be believed? All that score given maps, ours and other packages', on several data and models.

    python benchmarks/which_metric.py --folder runs/which --images DATA --plan
    python benchmarks/which_metric.py --folder runs/which --images DATA --write docs/studies/which-metric.md

For each pair of data and model: trains the model (`xaijax train`, small images, few epochs), calibrates all metrics on
its test images (three textures, three shares of noise; view, mosaic and parts), and keeps the verdicts. What is done is
kept in the folder: the same command resumes. `--images` is the folder that holds the data sets. Needs
quantus, captum and grad-cam (`.ci/full` installs them); `--ours` does without.
"""

import argparse
import csv
import dataclasses
import itertools
import json
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from xaijax._errors import InputError
from xaijax._runs import provenance
from xaijax._runs.models import labels_of
from xaijax.calibrate import store
from xaijax.calibrate.config import CalibrateConfig
from xaijax.calibrate.figures import COLOURS
from xaijax.calibrate.plan import Work, prepare, seconds_per_pass
from xaijax.calibrate.verdicts import VERDICTS
from xaijax.metrics import calibration
from xaijax.metrics.calibration import OtherMetric, from_captum, from_pytorch_grad_cam, from_quantus

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
FIGURE = ROOT / "docs" / "images" / "which-metric.png"
SIZE = 64
# name -> options of the training and of the calibration. Breast ultrasound has too few images to do without those that
# were trained on; brain MRI and ultrasound have masks of lesions.
DATA: dict[str, dict[str, Any]] = {
    "phantoms": {},
    "brain-cheng": {},
    "cxr-radiography": {},
    "us-busi": {"split": "all"},
}
MODELS = ("small_cnn", "small_resnet")
TRAINING = ["--size", str(SIZE), "--epochs", "20", "--validation", "0.1", "--test", "0.3", "--seed", "0"]
CASE, METRIC = store.SCHEMA.names.index("case"), store.SCHEMA.names.index("metric")
COLUMNS = (
    *("data", "model", "package", "metric", "verdict", "decided_by", "concordance", "low", "high", "twin", "twin_low"),
    *("twin_high", "random_dominance", "random_dominance_low", "random_dominance_high", "tau", "cases"),
)

SAME = (
    ("quantus", "Selectivity", "selectivity"),
    ("quantus", "RegionPerturbation", "region_perturbation"),
    ("quantus", "Sparseness", "sparseness"),
    ("quantus", "Complexity", "entropy"),
    ("quantus", "PixelFlipping", "pixel_flipping"),
    ("grad-cam", "DropInConfidence", "average_drop"),
    ("grad-cam", "ROADCombined", "road_combined"),
)
"""Metrics of other packages and those of ours with one definition."""


def peers() -> dict[str, OtherMetric]:
    """The metrics of other packages that score given maps; as many steps as ours have in a quick calibration."""
    need_torchvision()
    step = SIZE * SIZE // 16
    own = {
        "FaithfulnessCorrelation": {"nr_runs": 50},
        "FaithfulnessEstimate": {"features_in_step": step},
        "Infidelity": {"perturb_patch_sizes": [SIZE // 8], "n_perturb_samples": 1},
        "IROF": {},
        "Monotonicity": {"features_in_step": step},
        "MonotonicityCorrelation": {"features_in_step": step, "nr_samples": 10},
        "PixelFlipping": {"features_in_step": step},
        "RegionPerturbation": {"patch_size": SIZE // 8, "regions_evaluation": 25},
        "ROAD": {"percentages": [20, 50, 80]},
        "Selectivity": {"patch_size": SIZE // 8},
        "Sparseness": {},
        "Complexity": {},
        "EffectiveComplexity": {},
    }
    found = {f"quantus {name}": from_quantus(name, **settings) for name, settings in own.items()}
    found["captum infidelity"] = from_captum(draws=50)
    found["grad-cam ROADCombined"] = from_pytorch_grad_cam("ROADCombined", percentiles=[20, 50, 80])
    for name in ("DropInConfidence", "IncreaseInConfidence"):
        found[f"grad-cam {name}"] = from_pytorch_grad_cam(name)
    return found


def need_torchvision() -> None:
    """pytorch-grad-cam imports torchvision, which may lack its compiled operators."""
    import torch

    torch.set_num_threads(1)
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.xaijax_library = library


def train(data: str, source: str, model: str, out: Path) -> None:
    """The model of a pair, unless it is there."""
    if (out / "checksums.json").is_file():
        return
    count = ["--count", "600"] if data == "phantoms" else []
    line = ["train", "--data", source, *count, "--model", model, *TRAINING, "--out", str(out)]
    resume = ["--resume"] if (out / "run.json").is_file() else []
    subprocess.run([sys.executable, "-m", "xaijax", *line, *resume], check=True, stdout=subprocess.DEVNULL)


def work_of(data: str, source: str, model: Path, count: int) -> Work:
    """The cases of a pair: as many images as are needed for `count` cases of each construction, test images first."""
    options = {**DATA[data], "data": source, "model": (str(model),), "metrics": ("all",)}
    work = prepare(CalibrateConfig(**options, count=200 if data == "phantoms" else 0))
    batch, seed = work.batch, work.plan.seed
    cases = [work.dataset.cases[place] for place in batch.indices]
    made = calibration.plan(
        work.model.classifier,
        batch.images,
        labels_of(work.model, batch.labels),
        masks=batch.roles.get("lesion"),
        groups=[case.group or case.id for case in cases],
        ids=list(batch.ids),
        count=count,
        seed=seed,
    )
    return dataclasses.replace(work, plan=made)


def score(work: Work, others: Mapping[str, OtherMetric], out: Path) -> None:
    """All that is missing, a few cases at a time: cases, and metrics that a case has no rows of."""
    there: dict[int, list[Any]] = {}
    for row in store.read_rows(out):
        there.setdefault(row[CASE], []).append(row)
    for number, part in enumerate(work.parts):
        begun, rows, added = time.monotonic(), [], False
        for case in part:
            own = there.get(case, [])
            rows += own
            have = {row[METRIC] for row in own}
            metrics = [name for name in work.metrics if name not in have]
            more = {name: metric for name, metric in others.items() if name not in have}
            if metrics or more:
                found = calibration.score_case(work.plan, case, metrics, None, more, num_threads=1)
                rows += [row for row in found if row.metric not in have]  # each call scores the controls, too
                added = True
        if added:
            store.write_part(out, number, rows)
            print(f"  part {number + 1} of {len(work.parts)}: {time.monotonic() - begun:.0f} s", flush=True)


def judge(work: Work, others: Mapping[str, OtherMetric], out: Path) -> dict[str, Any]:
    """The verdicts of a pair, and what they rest on."""
    judged = calibration.judge(work.plan, store.read_rows(out), others=others)
    found = judged.to_json()
    numbers = [one for metric in judged.metrics.values() for one in metric.constructions.values()]
    sizes = np.array([one.size for one in numbers if np.isfinite(one.size)])
    return {
        "images": len(work.batch),
        "accuracy": round(
            float((work.model.classifier.predict(work.batch.images).argmax(1) == work.batch.labels).mean()), 3
        ),
        "constructions": found["constructions"],
        "controls": found["controls"],
        "leave_one_out": {name: list(one) for name, one in calibration.leave_one_out(judged).items()},
        "size": {
            "tests": len(sizes),
            "mean": float(sizes.mean()),
            "within": float(((sizes >= 0.03) & (sizes <= 0.07)).mean()),
        },
        "metrics": found["metrics"],
    }


def rows_of(data: str, model: str, judged: Mapping[str, Any], others: Sequence[str]) -> list[dict[str, Any]]:
    """The pair's rows of the table of results."""
    rows = []
    for name, one in judged["metrics"].items():
        package, _, metric = name.partition(" ") if name in others else ("xaijax", "", name)
        row = dict.fromkeys(COLUMNS, "") | {
            "data": data, "model": model, "package": package, "metric": metric, "verdict": one["verdict"],
            "decided_by": one["decided_by"],
        }  # fmt: skip
        for key in ("concordance", "twin", "random_dominance", "tau", "cases"):
            row[key] = rounded(one.get(key))
        for key, column in (
            ("interval", ""),
            ("twin_interval", "twin_"),
            ("random_dominance_interval", "random_dominance_"),
        ):
            for end, value in zip(("low", "high"), one.get(key) or (None, None), strict=True):
                row[f"{column}{end}"] = rounded(value)
        rows.append(row)
    return rows


def rounded(value: Any) -> Any:
    return "" if value is None else round(value, 4)


def read_results() -> list[dict[str, str]]:
    """The rows that are stored."""
    path = RESULTS / "which_metric.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_results(rows: Sequence[Mapping[str, Any]]) -> None:
    with (RESULTS / "which_metric.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def by_metric(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], dict[tuple[str, str], Mapping[str, str]]]:
    """(package, metric) -> pair -> its row; the best first: by how often it is believed, by how often not refuted."""
    found: dict[tuple[str, str], dict[tuple[str, str], Mapping[str, str]]] = {}
    for row in rows:
        found.setdefault((row["package"], row["metric"]), {})[row["data"], row["model"]] = row

    def key(name: tuple[str, str]) -> Any:
        verdicts = Counter(row["verdict"] for row in found[name].values())
        values = [float(row["concordance"]) for row in found[name].values() if row["concordance"]]
        standing = sum(verdicts[one] for one in ("believe", "same_kind", "undecided"))
        judged = len(found[name]) - verdicts["not_judged"]
        return -verdicts["believe"], -standing, judged == 0, -np.mean(values) if values else 0.0, name

    return {name: found[name] for name in sorted(found, key=key)}


def table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The page's table: one row per metric, one mark per pair, and the span of its numbers over the pairs."""
    pairs = list(dict.fromkeys((row["data"], row["model"]) for row in rows))
    lines = [
        f"| metric | package | {' | '.join(f'{data}, {model}' for data, model in pairs)} | C | D | noise beats truth |",
        "|---|---|" + "---|" * (len(pairs) + 3),
    ]
    for (package, metric), own in by_metric(rows).items():
        marks = [f"{VERDICTS[own[pair]['verdict']].mark} {shown(own[pair])}" if pair in own else "" for pair in pairs]
        spans = [span([row[key] for row in own.values()]) for key in ("concordance", "twin", "random_dominance")]
        lines.append(f"| {metric} | {package} | {' | '.join(marks)} | {' | '.join(spans)} |")
    return lines


def shown(row: Mapping[str, str]) -> str:
    """C with its interval, which a single case does not have."""
    if not row["concordance"]:
        return ""
    if not row["low"]:
        return f"{float(row['concordance']):.2f} (one case)"
    return f"{float(row['concordance']):.2f} ({float(row['low']):.2f} to {float(row['high']):.2f})"


def span(values: Sequence[str]) -> str:
    numbers = [float(value) for value in values if value]
    return f"{min(numbers):.2f} to {max(numbers):.2f}" if numbers else ""


def about(pairs: Mapping[str, Any]) -> list[str]:
    """The table of the pairs."""
    lines = [
        "| data | model | images | accuracy on them | cases: view, mosaic, parts | controls |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in pairs.items():
        data, _, model = name.rpartition(" ")
        cases = ", ".join(str(value["cases"]) for value in one["constructions"].values())
        passed = "passed" if one["controls"]["passed"] else one["controls"]["reason"]
        lines.append(f"| {data} | {model} | {one['images']} | {one['accuracy']:.2f} | {cases} | {passed} |")
    return lines


def predicted(pairs: Mapping[str, Any]) -> list[str]:
    """How well constructions predict one another, and the size of the paired test."""
    lines = [
        "| data | model | construction | metrics | rank correlation | mean error of C | same side | size |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in pairs.items():
        data, _, model = name.rpartition(" ")
        for construction, (metrics, spearman, error, agree) in one["leave_one_out"].items():
            size = f"{one['size']['mean']:.3f}"
            share = f"{agree:.0%}".replace("%", " %")
            lines.append(
                f"| {data} | {model} | {construction} | {metrics} | {spearman:.2f} | {error:.2f} | {share} | {size} |"
            )
    return lines


def numbers(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What the page says in words: verdicts per network, metrics that none refutes, rank correlations of C between
    networks, both orders against one, and how far metrics of other packages are from ours."""
    own = by_metric(rows)
    pairs = list(dict.fromkeys((row["data"], row["model"]) for row in rows))

    def value(name: tuple[str, str], pair: tuple[str, str], key: str = "concordance") -> float:
        return float(own[name][pair][key] or "nan")

    lines = [f"{' '.join(pair)}: {dict(Counter(own[name][pair]['verdict'] for name in own))}" for pair in pairs]
    for name in own:
        verdicts = [own[name][pair]["verdict"] for pair in pairs]
        if "no" not in verdicts and set(verdicts) != {"not_judged"}:
            lines.append(f"refuted nowhere: {name[1]}, C {span([own[name][pair]['concordance'] for pair in pairs])}")
    for first, second in itertools.combinations(pairs, 2):
        both = [name for name in own if own[name][first]["low"] and own[name][second]["low"]]
        rho = spearmanr(*([value(name, pair) for name in both] for pair in (first, second))).statistic
        lines.append(
            f"rank correlation of C, {' '.join(first)} and {' '.join(second)}: {rho:.2f} ({len(both)} metrics)"
        )
    difference = [name for name in own if name[0] == "xaijax" and name[1].endswith("_abpc")]
    compared = [
        value(name, pair) > max(value(("xaijax", one), pair) for one in (name[1][:-5], f"{name[1][:-5]}_lerf"))
        for name in difference
        for pair in pairs
        if ("xaijax", name[1][:-5]) in own
    ]
    lines.append(f"_abpc has a larger C than either curve: {sum(compared)} of {len(compared)}")
    for package, theirs, ours in SAME:
        apart = max(abs(value((package, theirs), pair) - value(("xaijax", ours), pair)) for pair in pairs)
        alike = sum(own[package, theirs][pair]["verdict"] == own["xaijax", ours][pair]["verdict"] for pair in pairs)
        lines.append(f"{package} {theirs} and {ours}: C differs by {apart:.3f} at most, {alike} verdicts are equal")
    return lines


def figure(rows: Sequence[Mapping[str, str]]) -> None:
    """One square per metric and pair, coloured and marked by the verdict; metrics that are best first."""
    import matplotlib.pyplot as plt

    own = by_metric(rows)
    names, pairs = list(own), list(dict.fromkeys((row["data"], row["model"]) for row in rows))
    models = list(dict.fromkeys(model for _, model in pairs))
    half = -(-len(names) // 2)
    drawn, axes = plt.subplots(1, 2, figsize=(14, 0.19 * half + 2.2), layout="constrained")
    for place, block in zip(axes, (names[:half], names[half:]), strict=True):
        place.set(xlim=(-0.5, len(pairs) - 0.5), ylim=(half - 0.5, -0.5))
        for y, name in enumerate(block):
            for x, pair in enumerate(pairs):
                if pair not in own[name]:
                    continue
                verdict = own[name][pair]["verdict"]
                place.add_patch(plt.Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, color=COLOURS[verdict], linewidth=0))
                c = own[name][pair]["concordance"]
                words = f"{VERDICTS[verdict].mark} {float(c):.2f}" if c else VERDICTS[verdict].mark
                place.text(x, y, words, ha="center", va="center", color="white", size=7, weight="bold")
        words = [
            metric.replace("_", " ") if package == "xaijax" else f"{package}: {metric}" for package, metric in block
        ]
        place.set_yticks(range(len(block)), words, size=7)
        for label, (package, _) in zip(place.get_yticklabels(), block, strict=True):
            label.set_fontweight("normal" if package == "xaijax" else "bold")
        place.xaxis.tick_top()
        place.set_xticks(range(len(pairs)), [data for data, _ in pairs], size=7, rotation=50, ha="left")
        heads = place.secondary_xaxis("top")
        middles = [np.mean([x for x, pair in enumerate(pairs) if pair[1] == model]) for model in models]
        heads.set_xticks(middles, [f"{model.replace('_', ' ')}\n\n\n\n" for model in models], size=8, weight="bold")
        for axis in (heads, place):
            axis.tick_params(length=0)
            axis.spines[:].set_visible(False)
        for x in range(1, len(pairs)):
            if pairs[x][1] != pairs[x - 1][1]:
                place.vlines(x - 0.5, -0.5, len(block) - 0.5, color="black", linewidth=1.2)
    drawn.suptitle(
        "Verdict on each metric, and how many pairs of maps it orders right (0.5: knows nothing)", fontsize=11
    )
    there = [name for name in VERDICTS if any(row["verdict"] == name for row in rows)]
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[name]) for name in there]
    words = [f"{VERDICTS[name].mark} {VERDICTS[name].title}" for name in there]
    drawn.legend(handles, words, loc="outside lower center", ncols=len(there), frameon=False, fontsize=8)
    drawn.savefig(FIGURE, dpi=110)


def write_page(path: Path, rows: Sequence[Mapping[str, str]], pairs: Mapping[str, Any]) -> None:
    """Replaces the tables of the page."""
    text = path.read_text("utf-8")
    for mark, lines in (("pairs", about(pairs)), ("metrics", table(rows)), ("predicted", predicted(pairs))):
        begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
        text = text.split(begin)[0] + "\n".join([begin, *lines, end]) + text.split(end)[1]
    path.write_text(text, "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the pairs that are missing and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="holds trained models and scores")
    parser.add_argument("--images", type=Path, help="folder of the data sets; phantoms need none")
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--count", type=int, default=24, help="cases of each construction, at most")
    parser.add_argument("--ours", action="store_true", help="leave out metrics of other packages")
    parser.add_argument("--plan", action="store_true", help="print cases, passes and time, and stop")
    parser.add_argument("--write", type=Path, help="a page whose tables are replaced; the figure is made, too")
    parser.add_argument("--numbers", action="store_true", help="print what the page says of the results, and stop")
    given = parser.parse_args(arguments)
    if given.numbers:
        print("\n".join(numbers(read_results())))
        return 0
    if given.folder is None:
        parser.error("--folder is needed: it holds trained models and scores")
    warnings.simplefilter("ignore")
    try:
        others = {} if given.ours else peers()
    except (InputError, ImportError) as error:
        parser.error(f"{error}; or --ours")
    summary_path = RESULTS / "which_metric.json"
    summary = json.loads(summary_path.read_text()) if summary_path.is_file() else {"pairs": {}}
    for model in given.models:
        for data in given.data:
            source = data if data == "phantoms" else str((given.images or Path()) / data)
            place = given.folder / f"{data}-{model}"
            train(data, source, model, place / "model")
            work = work_of(data, source, place / "model", given.count)
            passes, each = work.plan.passes(work.metrics), seconds_per_pass(work)
            print(
                f"{data}, {model}: {work.plan} of {len(work.plan.maps)} maps, {len(work.metrics)} metrics of ours and "
                f"{len(others)} others; {passes} passes of {1000 * each:.2f} ms for ours: {passes * each / 60:.1f} min",
                flush=True,
            )
            if given.plan:
                continue
            score(work, others, place)
            judged = judge(work, others, place)
            kept = [row for row in read_results() if (row["data"], row["model"]) != (data, model)]
            write_results([*kept, *rows_of(data, model, judged, list(others))])
            del judged["metrics"]
            summary["pairs"][f"{data} {model}"] = judged
            summary |= {"count": given.count, "versions": provenance.versions(), "machine": provenance.machine()}
            summary_path.write_text(json.dumps(summary, indent=2) + "\n")
    rows = read_results()
    if given.write is not None and rows:
        write_page(given.write, rows, summary["pairs"])
        figure(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
