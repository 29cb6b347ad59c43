"""The tables of `docs/studies/stability.md` (between its markers), its figures and the JSON behind them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stability import analysis, figures
from benchmarks.stability.analysis import MEASURES, Run
from xaijax import __version__
from xaijax.metrics import REASONS
from xaijax.metrics.pic_curve import Convention

HERE = Path(__file__).resolve().parents[2]
START, END = "<!-- tables: written by python -m benchmarks.stability page -->", "<!-- end of tables -->"
CONVENTIONS: tuple[Convention, ...] = ("stable", "pair", "medical")
# BioData Mining 2024: (AIC Shannon, AIC WebP, SIC Shannon, SIC WebP) on its brain MRI; text where it gives no number.
PUBLISHED = {
    "random": ("~0", "0.493", "0.705", "0.573"),
    "integrated_gradients": ("~0", "0.871", "low", "0.893"),
    "smoothgrad_ig": ("~0", "0.866", "low", "0.884"),
    "guided_ig": ("~0", "0.835", "0.536", "0.865"),
    "xrai": ("0.033", "0.511", "0.574", "0.530"),
    "grad_cam": ("~0", "0.595", "low", "0.620"),
    "grad_cam_pp": ("~0", "0.560", "low", "0.634"),
    "score_cam": ("0.084", "0.706", "0.579", "0.768"),
}


def summary(run: Run) -> dict[str, Any]:
    """Everything the tables say about one data set."""
    found: dict[str, Any] = {"about": run.about, "images": len(run.settings["model"])}
    for convention in CONVENTIONS:
        images = run.settings["medical" if convention == "medical" else "model"]
        found["methods"] = images[0].methods
        found[convention] = {}
        for measure in MEASURES:
            entry: dict[str, Any] = {}
            for kind in ("aic", "sic"):
                methods, values, reasons = analysis.areas(images, measure, kind, convention)
                complete = analysis.over_draws(values)
                entry[kind] = {
                    "scored": len(complete),
                    "reasons": {k: v for k, v in Counter(reasons).items() if k},
                    "means": dict(zip(methods, complete.mean(0).tolist(), strict=True)) if len(complete) else {},
                    "medians": dict(zip(methods, np.median(complete, 0).tolist(), strict=True))
                    if len(complete)
                    else {},
                    "zero_curves": float((values[~np.isnan(values)] < 0.00051).mean()) if len(complete) else np.nan,
                }
                if kind == "sic" and len(complete) > 1:
                    entry["controls"] = analysis.controls(methods, complete)
                    whole = values[~np.isnan(values).any((1, 2))]
                    entry["tau_masks"] = analysis.agreement(whole) if len(whole) > 1 else np.nan
                    entry["tau_halves"] = analysis.halves(complete)
            whole = values[~np.isnan(values).any((1, 2))]
            spread = np.std(whole, axis=1, ddof=1) if values.shape[1] > 1 and len(whole) else []
            falls, above, inverted = analysis.not_monotone(images, measure)
            entry |= {"falls": falls, "above": above, "inverted": inverted, "means": entry["sic"]["means"]}
            entry |= {"scored": entry["sic"]["scored"] / len(images)}
            entry["mask_spread"] = float(np.mean(spread)) if len(spread) else np.nan
            none = not entry["sic"]["scored"]
            entry["turned"] = np.nan if none else analysis.turned_range(images, measure)
            found[convention][measure] = entry
    found["planted"] = {m: analysis.ladder(run.settings["planted"], m) for m in MEASURES if run.settings["planted"]}
    right = [
        (image.probability[0, 0, 0].argmax() == image.probability[0, 0, 1].argmax())
        for image in run.settings["medical"]
    ]
    found["blurred_already_predicted"] = float(np.mean(right))
    return found


def _number(value: float, digits: int = 3) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def _interval(values: tuple[float, float, float], digits: int = 2) -> str:
    middle, low, high = values
    return "-" if np.isnan(middle) else f"{middle:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _share(value: float) -> str:
    return "-" if value is None or np.isnan(value) else f"{100 * value:.0f} %"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), ""]


def tables(found: dict[str, Any]) -> str:
    """The generated part of the page."""
    lines: list[str] = []
    rows = []
    for name, run in found.items():
        shape = "x".join(map(str, run["about"]["shape"]))
        right = _share(run["blurred_already_predicted"])
        rows.append([name, run["about"]["architecture"] or "-", shape, str(run["images"]), right])
    lines += ["### The data", ""]
    lines += _table(["data", "model", "input", "images", "blurred image already gets the original's class"], rows)

    lines += ["### What can be scored, and how far it moves (convention `stable`)", ""]
    rows = []
    for name, run in found.items():
        for measure in MEASURES:
            e = run["stable"][measure]
            why = Counter(e["sic"]["reasons"]).most_common(1)
            numbers = (e["mask_spread"], e["turned"], e.get("tau_masks", np.nan), e.get("tau_halves", np.nan))
            cells = [name, figures.NAMES[measure], f"{e['aic']['scored']} / {e['sic']['scored']} of {run['images']}"]
            cells += [f"{REASONS[why[0][0]]} ({why[0][1]})" if why else "-"]
            cells += [_share(e[key]) for key in ("falls", "above", "inverted")]
            rows.append(cells + [_number(value, digits) for value, digits in zip(numbers, (3, 3, 2, 2), strict=True)])
    head = ["data", "information", "scored AIC / SIC", "most frequent reason (SIC)", "curves that fall"]
    head += ["a rebuilt image has more than the original", "the blurred image has more", "SIC, sd over masks"]
    head += ["SIC, range over orientations", "tau over masks", "tau over halves of the images"]
    lines += _table(head, rows)

    lines += ["### Truth and chance (SIC, convention `stable`, the unchanged classifier)", ""]
    rows = []
    for name, run in found.items():
        count = len(run["methods"])
        for measure in MEASURES:
            c = run["stable"][measure].get("controls")
            if c is None:
                rows.append([name, figures.NAMES[measure], "no image can be scored", "", "", "", "", ""])
                continue
            oracle = "oracle_first" in c
            rows.append(
                [name, figures.NAMES[measure], f"{c['random_rank']:.0f} of {count}", _share(c["random_last"])]
                + ([f"{c['oracle_rank']:.0f} of {count}", _share(c["oracle_first"])] if oracle else ["-", "-"])
                + ([_interval(c["gap"]), _number(c["gap_d"], 2)] if oracle else ["-", "-"])
            )
    head = ["data", "information", "rank of random", "random last (share of resamples)", "rank of the truth"]
    head += ["truth first (share of resamples)", "truth minus random, 95 %", "effect size d"]
    lines += _table(head, rows)

    lines += ["### The ladder of planted evidence (SIC, convention `stable`, the classifier sees the lesion alone)", ""]
    rows = []
    for name, run in found.items():
        for measure, e in run["planted"].items():
            cells = [name, figures.NAMES[measure], f"{e['images']} of {e['asked']}"]
            if e["images"]:
                cells += [_interval(e["tau"]), _interval(e["truth_first"]), _number(e["gap_d"], 2)]
                cells += [" ".join(f"{v:.3f}" for v in e["means"])]
            rows.append(cells + [""] * (7 - len(cells)))
    head = ["data", "information", "images scored", "tau with the true order, 95 %", "share with the truth first, 95 %"]
    head += ["truth against noise, d", "mean SIC at 0, 25, 50, 75, 100 % noise"]
    lines += _table(head, rows)

    lines += ["### The study's convention (`medical`) next to its published areas", ""]
    for name, run in found.items():
        medical = run["medical"]
        counts = ", ".join(
            f"{k.upper()} {figures.NAMES[m]}: {medical[m][k]['scored']} of {run['images']}"
            for m in ("shannon", "webp", "mean")
            for k in ("aic", "sic")
        )
        zero = _share(medical["webp"]["aic"]["zero_curves"])
        lines += [f"**{name}**. Scored: {counts}. AIC curves of zeros (area 0.0005), WebP: {zero}.", ""]
        rows = []
        for method in run["methods"]:
            cells = [method]
            for kind in ("aic", "sic"):
                for place, measure in enumerate(("shannon", "webp")):
                    ours = _number(medical[measure][kind]["medians"].get(method, np.nan))
                    published = PUBLISHED.get(method, ("-",) * 4)[2 * (kind == "sic") + place]
                    cells.append(f"{ours} ({published})" if "brain" in name else ours)
            rows.append(cells)
        lines += _table(["method", "AIC Shannon", "AIC WebP", "SIC Shannon", "SIC WebP"], rows)
    return "\n".join(lines)


def write(folders: list[Path]) -> None:
    """Writes tables, figures and JSON."""
    runs = [analysis.read(folder) for folder in folders]
    found = {run.name: summary(run) for run in runs}
    images = HERE / "docs" / "images"
    figures.information(runs, images / "stability_information.png")
    figures.bars(found, images / "stability_bars.png")
    figures.ranks(found, images / "stability_ranks.png")
    figures.ladders(runs, images / "stability_ladder.png")
    page = HERE / "docs" / "studies" / "stability.md"
    text = page.read_text()
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{START}\n\n{tables(found)}\n{END}{after}")
    result = {"command": "python -m benchmarks.stability page " + " ".join(f.name for f in folders)}
    result |= {"xaijax": __version__, "data": found}
    plain = json.loads(json.dumps(result, default=str).replace("NaN", "null"))
    out = HERE / "benchmarks" / "results" / "stability.json"
    out.write_text(json.dumps(plain) + "\n")
