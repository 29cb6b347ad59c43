"""What an evaluation writes and prints: tables, figures, the page."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax import plot
from xaijax._runs import folder, page, progress, tables
from xaijax.evaluate.comparing import OVER_IMAGES, OVER_REPEATS
from xaijax.evaluate.scoring import FINDINGS, LOWER, NAMES, Scored
from xaijax.plot._statistics import p_text

if TYPE_CHECKING:
    from rich.console import Console

ALPHA = 0.05
CHANCE = 0.5  # AUROC of a model that knows nothing
FEWEST = 10
"""Images (or patients) below which intervals alone tell no classifiers apart: those of two images are a point."""
TIE = 1e-9  # scores that only rounding tells apart
SHOWN = 60
"""Figures of single classifiers in the page; the others are files next to it."""


def file_name(text: str) -> str:
    """A text as a part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or "data"


def names_of(one: Mapping[str, Any]) -> dict[str, str]:
    """The scores of a data set, as tables name them."""
    return FINDINGS if any("per_finding" in row for row in one["models"]) else NAMES


def write(
    out: Path, whole: Mapping[str, Any], every: Sequence[tuple[str, list[Scored]]], run: Mapping[str, Any]
) -> None:
    """Writes the tables, the figure of scores and the page."""
    found = whole["data"]
    folder.write_text(out / "summary.csv", tables.to_csv(summary_rows(found)))
    folder.write_text(out / "tests.csv", tables.to_csv(test_rows(found)))
    folder.write_text(out / "per_class.csv", tables.to_csv(class_rows(found)))
    for name, scored in every:
        place = "predictions.csv" if len(every) == 1 else f"predictions-{name}.csv"
        folder.write_text(out / place, predictions(scored))
    drawn = _draw(found, out)
    page.write(
        out / "evaluation.html",
        "xaijax.evaluate",
        "evaluation.html.j2",
        title=" and ".join(f"{one['name']}" for one in found),
        said=[_capital(line, found) for one in found for line in conclusions(one, len(found) > 1)],
        cautions=[_capital(line, found) for one in found for line in cautions(one, len(found) > 1)],
        drawn=drawn,
        data=[_chapter(one, out) for one in found],
        run=run,
    )


def _capital(line: str, found: Sequence[Mapping[str, Any]]) -> str:
    """A sentence with a capital; the name of a data set or model in front of it is kept."""
    names = [one["name"] for one in found] + [row["recipe"] for one in found for row in one["recipes"]]
    return line if line.startswith(tuple(names)) else line[:1].upper() + line[1:]


def summary_rows(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each data set and recipe: every score with the bounds of its interval."""
    rows = []
    for one in found:
        for recipe in one["recipes"]:
            row = {"data": one["name"]} | {key: recipe[key] for key in ("recipe", "trainings", "images", "interval")}
            for name in names_of(one):
                values = recipe["scores"].get(name, {})
                row |= {name: values.get("value"), f"{name}_low": values.get("low"), f"{name}_high": values.get("high")}
                if recipe["trainings"] > 1:
                    row[f"{name}_sd"] = values.get("sd")
            rows.append(row)
    return rows


def test_rows(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each score of each pair; the p-value stands where a test gives one."""
    rows = []
    for one in found:
        for pair in one["comparisons"]:
            lead = {"data": one["name"], "first": pair["first"], "second": pair["second"]}
            if "why_not" in pair:
                rows.append(lead | {"why_not": pair["why_not"]})
            for name, row in pair.get("scores", {}).items():
                tested = row if pair["over"] == OVER_REPEATS else pair if name == "accuracy" else {}
                rows.append(
                    lead
                    | {"score": name, "over": pair["over"]}
                    | {key: row[key] for key in ("difference", "low", "high")}
                    | {"test": pair["test"] if tested else None}
                    | {key: tested.get(key) for key in ("p_value", "p_holm")}
                )
    return rows


def class_rows(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each class or finding of each classifier."""
    rows = []
    for one in found:
        for model in one["models"]:
            lead = {"data": one["name"], "model": model["name"], "repeat": model["repeat"]}
            for kind in ("per_class", "per_finding"):
                rows += [lead | {"class": name} | dict(row) for name, row in model.get(kind, {}).items()]
    return rows


def predictions(scored: Sequence[Scored]) -> str:
    """One line per image: its id, its class, and for each classifier that was scored on it the predicted class and the
    probabilities; of findings whether each is there (nothing: not known) and its probability."""
    dataset = scored[0].images.dataset
    count, findings = len(dataset.classes), dataset.multi_label
    paths = [one.model.path for one in scored]
    prefixes = [
        "" if len(scored) == 1 else f"{one.model.name}{f' ({one.repeat})' if paths.count(one.model.path) > 1 else ''}: "
        for one in scored
    ]
    heads = ["id", *(dataset.classes if findings else ["class"])]
    own = [f"{name}: probability" for name in dataset.classes] if findings else ["predicted", *dataset.classes]
    heads += [f"{prefix}{what}" for prefix in prefixes for what in own]
    cells: dict[str, list[str]] = {}
    for number, one in enumerate(scored):
        for row, (name, label) in enumerate(zip(one.images.ids, one.images.labels, strict=True)):
            known = ["" if np.isnan(value) else str(int(value)) for value in label] if findings else []
            line = cells.setdefault(
                name, [name, *(known or [dataset.classes[int(label)]]), *[""] * (len(scored) * len(own))]
            )
            values = [f"{value:.6f}" for value in one.chances[row, :count]]
            if not findings:
                best = int(one.chances[row].argmax())
                values = [dataset.classes[best] if best < count else "another class", *values]
            start = len(heads) - (len(scored) - number) * len(own)
            line[start : start + len(own)] = values
    # By position: two headings may agree, such as those of a class that is called "class".
    rows = [{str(place): cell for place, cell in enumerate(line)} for line in cells.values()]
    return tables.to_csv(rows, {str(place): head for place, head in enumerate(heads)})


def conclusions(one: Mapping[str, Any], several: bool) -> list[str]:
    """What may be concluded of a data set, in sentences."""
    lead = f"{one['name']}: " if several else ""
    names = names_of(one)
    main = "macro_auroc" if "macro_auroc" in names else "macro_f1"
    said = []
    ranked = [row for row in one["recipes"] if row["scores"][main]["value"] is not None]
    if ranked:
        value = max(row["scores"][main]["value"] for row in ranked)
        best = [row for row in ranked if row["scores"][main]["value"] >= value - TIE]  # rounding makes no difference
        first, of = ("best ", f", of {' and '.join(row['recipe'] for row in best)}") if len(ranked) > 1 else ("", "")
        shown = " and ".join(dict.fromkeys(_with_interval(row["scores"][main]) for row in best))
        said.append(f"{lead}the {first}{names[main]} is {shown}{of}.")
    auroc = "macro_auroc" if "macro_auroc" in names else "auroc"
    for row in one["recipes"]:
        values = row["scores"].get(auroc, {})
        # Over trainings the interval is that of their mean, and of two of them far too wide to say this.
        bound = values.get("low" if row["trainings"] == 1 else "value")
        if bound is not None and bound <= CHANCE:
            said.append(
                f"{lead}{row['recipe']} is not told from chance: AUROC {_with_interval(values)}, chance is 0.5."
            )
    told: list[str] = []
    alike: list[str] = []
    few: list[str] = []
    for pair in one["comparisons"]:
        if _few(pair):
            few.append(f"{pair['first']} and {pair['second']} ({pair['units']} {pair['resampled']})")
            continue
        words = _difference_words(pair)
        if words is not None:
            (told if words[0] else alike).append(words[1])
    said += [f"{lead}{text}" for text in told]
    if alike:
        said.append(f"{lead}not distinguishable here: {'; '.join(alike)}.")
    if few:
        said.append(f"{lead}fewer than {FEWEST} to compare on, so no conclusion: {'; '.join(few)}.")
    return said


def _few(pair: Mapping[str, Any]) -> bool:
    """Whether a pair is compared by its interval, and on too few images or patients for one."""
    tested = pair.get("p_holm") is not None or pair.get("over") == OVER_REPEATS
    return "why_not" not in pair and not tested and pair.get("units", FEWEST) < FEWEST


def _difference_words(pair: Mapping[str, Any]) -> tuple[bool, str] | None:
    """Whether a pair differs, and in which words; None where nothing was compared."""
    if "why_not" in pair:
        return None
    name = "macro_auroc" if "macro_auroc" in pair["scores"] else "accuracy"
    row = pair["scores"].get(name)
    if row is None or row["difference"] is None:
        return None
    known = row["low"] is not None
    p_value = row.get("p_holm") if pair["over"] == OVER_REPEATS else pair.get("p_holm")
    apart = known and (row["low"] > 0 or row["high"] < 0)
    if not (apart if p_value is None else p_value <= ALPHA):  # of findings the interval decides
        return False, f"{pair['first']} and {pair['second']}"
    better, worse, low, high = pair["second"], pair["first"], row["low"], row["high"]
    if row["difference"] < 0:
        better, worse = worse, better
        low, high = (-high, -low) if known else (None, None)
    bounds = f" (95 % interval {low:.3f} to {high:.3f})" if known else ""
    tested = "" if p_value is None else f", {_p(p_value)} after Holm's correction"
    what = {"accuracy": "accuracy", "macro_auroc": "mean AUROC"}[name]
    return True, f"{better} has a higher {what} than {worse}, by {abs(row['difference']):.3f}{bounds}{tested}."


def _p(value: float) -> str:
    text = p_text(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def cautions(one: Mapping[str, Any], several: bool) -> list[str]:
    """What limits the conclusions."""
    lead = f"{one['name']}: " if several else ""
    said = []
    few = [name for name in one["classes"] if 0 < _images_of(one, name) < 10]
    if few:
        said.append(f"{lead}fewer than 10 images of {', '.join(few)}: scores of such a class say little.")
    none = [name for name in one["classes"] if _images_of(one, name) == 0]
    if none:
        said.append(f"{lead}no image of {', '.join(none)}.")
    said += [
        f"{lead}{pair['first']} and {pair['second']}: {pair['why_not']}."
        for pair in one["comparisons"]
        if "why_not" in pair
    ]
    if any(row["trainings"] == 1 for row in one["recipes"]) and len(one["recipes"]) > 1:
        said.append(
            f"{lead}a difference between single trainings holds for these weights; another seed may turn it round. "
            "Trainings with several --seed or --fold say more of the recipes."
        )
    said += [f"{lead}{text}" for row in one["recipes"] if (text := _without_error(row))]
    if one["left_out"]:
        said.append(f"{lead}{len(one['left_out'])} classifiers know other classes and were not scored.")
    return said


def _without_error(row: Mapping[str, Any]) -> str:
    """What no error on some images says of others: the bootstrap has only right answers to draw, and says nothing.

    Example:
        >>> perfect = {"value": 1.0, "low": 1.0, "high": 1.0}
        >>> _without_error({"recipe": "m", "trainings": 1, "images": 9, "scores": {"accuracy": perfect}})
        'm has no error on 9 images, so its intervals are points; of other images up to 28 % may be wrong (95 %).'
    """
    values = row["scores"].get("accuracy", {})
    if row["trainings"] != 1 or values.get("low") is None or not values["low"] == values["value"] == 1:
        return ""
    what = f"{row['recipe']} has no error on {row['images']} images, so its intervals are points"
    if row.get("interval", "").endswith("patients"):  # images of one patient are not as many as they seem
        return f"{what} and do not say how sure that is."
    wrong = 1 - 0.05 ** (1 / row["images"])  # exact, one-sided (Clopper and Pearson, 1934)
    share = f"{100 * wrong:.0f} %" if wrong >= 0.05 else f"{100 * wrong:.1g} %"
    return f"{what}; of other images up to {share} may be wrong (95 %)."


def _images_of(one: Mapping[str, Any], name: str) -> int:
    row = one["models"][0]
    if "per_finding" in row:
        return int(row["per_finding"].get(name, {}).get("present", 0))
    return int(row["per_class"][name]["images"]) if name in row["per_class"] else 0


def _with_interval(values: Mapping[str, Any]) -> str:
    text = tables.rounded(values.get("value"))
    if values.get("low") is None:
        return text
    return f"{text} ({tables.rounded(values['low'])} to {tables.rounded(values['high'])})"


def _draw(found: Sequence[Mapping[str, Any]], out: Path) -> dict[str, Any]:
    """The bars of the main scores of every recipe and data set."""
    names = names_of(found[0])
    shown = [name for name in names if name != "micro_f1"]
    bars = {
        names[name] + (" (lower is better)" if name in LOWER else ""): {
            one["name"]: {row["recipe"]: _numbers(row["scores"].get(name, {})) for row in one["recipes"]}
            for one in found
        }
        for name in shown
    }
    path = page.save_figure(plot.score_bars(bars), out / "scores.svg")
    return page.inline({"path": path, "alt": "Scores of every classifier with 95 % intervals", "wide": True})


def _numbers(values: Mapping[str, Any]) -> tuple[float, float, float]:
    value, low, high = (values.get(key) for key in ("value", "low", "high"))
    return tuple(np.nan if one is None else float(one) for one in (value, low, high))  # type: ignore[return-value]


def _chapter(one: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """What the page shows of a data set."""
    names = names_of(one)
    pictures = []
    for model in one["models"]:
        files = [out / f"{kind}{model['figures']}.png" for kind in ("confusion", "reliability", "embedding")]
        pictures += [
            {"path": path, "alt": f"{path.stem.partition('-')[0]} of {model['name']}"}
            for path in files
            if path.is_file()
        ]
    return {
        "name": one["name"],
        "which": one["which"],
        "images": one["images"],
        "names": names,
        "recipes": [
            row | {"cells": [_cell(row["scores"].get(name, {}), row["trainings"]) for name in names]}
            for row in one["recipes"]
        ],
        "resampled": one["models"][0].get("resampled", "images"),
        "repeated": any(row["trainings"] > 1 for row in one["recipes"]),
        "tests": [_test_line(row, names) for row in test_rows([one]) if "why_not" not in row],
        "per_class": class_rows([one]),
        "class_columns": _class_columns(one),
        "pictures": [page.inline(entry) for entry in pictures[:SHOWN]],
        "hidden": max(0, len(pictures) - SHOWN),
    }


def _class_columns(one: Mapping[str, Any]) -> dict[str, str]:
    if "per_finding" in one["models"][0]:
        shown = ["present", "absent", "auroc", "auprc", "sensitivity", "specificity", "f1"]
    else:
        shown = ["images", "precision", "recall", "f1"]
    return {name: {"auroc": "AUROC", "auprc": "AUPRC", "f1": "F1"}.get(name, name) for name in shown}


def _cell(values: Mapping[str, Any], trainings: int) -> dict[str, str]:
    low, high = values.get("low"), values.get("high")
    bounds = "" if low is None else f"{tables.rounded(low)} to {tables.rounded(high)}"
    spread = f"± {tables.rounded(values.get('sd'))}" if trainings > 1 and values.get("sd") is not None else ""
    return {"value": tables.rounded(values.get("value")), "spread": spread, "bounds": bounds}


def _test_line(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {
        "pair": f"{row['second']} − {row['first']}",
        "score": names.get(row["score"], row["score"]),
        "over": row["over"],
        "difference": "–" if row["difference"] is None else f"{row['difference']:+.3f}",
        "bounds": "" if row["low"] is None else f"{row['low']:+.3f} to {row['high']:+.3f}",
        "test": row["test"] or "",
        "p": "" if row["p_value"] is None else p_text(row["p_value"]),
        "p_holm": "" if row["p_holm"] is None else p_text(row["p_holm"]),
    }


def say(console: "Console", whole: Mapping[str, Any]) -> None:
    """Prints the table of every data set, and what may be concluded."""
    for one in whole["data"]:
        names = names_of(one)
        rows = []
        for recipe in one["recipes"]:
            row: dict[str, Any] = {"model": recipe["recipe"]}
            if any(other["trainings"] > 1 for other in one["recipes"]):
                row["trainings"] = recipe["trainings"]
            rows.append(row | {title: _with_interval(recipe["scores"].get(name, {})) for name, title in names.items()})
        tables.print_rows(console, rows, title=f"{one['name']}, {one['images']} {one['which']}, 95 % intervals")
        for pair in one["comparisons"]:
            if pair.get("over") == OVER_IMAGES and "only_first_right" in pair:
                progress.say(
                    console,
                    f"only {pair['first']} is right on {pair['only_first_right']} images, only {pair['second']} on "
                    f"{pair['only_second_right']}; {pair['test']}: {_p(pair['p_value'])}",
                )
            elif "per_finding" in pair:
                _say_findings(console, pair)
    several = len(whole["data"]) > 1
    for one in whole["data"]:
        for line in (*conclusions(one, several), *cautions(one, several)):
            progress.say(console, line)


def _say_findings(console: "Console", pair: Mapping[str, Any]) -> None:
    rows = []
    every = {"mean over findings": {name: pair["scores"][f"macro_{name}"] for name in ("auroc", "auprc")}}
    for finding, one in (pair["per_finding"] | every).items():
        row: dict[str, Any] = {"finding": finding}
        for name in ("auroc", "auprc"):
            row[name.upper()] = one[name]["difference"]
            low, high = one[name]["low"], one[name]["high"]
            row[f"{name.upper()} 95 %"] = "–" if low is None else f"{low:+.3f} to {high:+.3f}"
        rows.append(row)
    tables.print_rows(console, rows, title=f"{pair['second']} minus {pair['first']}, resampling {pair['resampled']}")
