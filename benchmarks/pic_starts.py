"""AIC and SIC leave out images whose blurred start already has the class. Does another start help? And Shannon entropy?

    python benchmarks/pic_starts.py --folder runs/which --images DATA

For the networks that `which_metric.py` trained: per class, the share of images that AIC and SIC score, under

* today: one blurred start (1 % of the pixels and the corners, interpolated);
* masks: the first of eight random masks whose blurred image is not given the class (SIC: has it at a lower
  probability);
* mean: the mean colour in place of the blurred image, where the curve begins;
* prior: no start: the response is scaled from the mean probability of the class over the starts of all images, clipped
  at 0; AIC counts right answers unscaled.

Whether the values that a remedy adds are any good is judged on views, where the truth is known: the concordance C of
truth and noise (`xaijax.metrics.calibration`), and how often noise is at least as good as the truth. A metric that
knows nothing has C = 0.5.

Shannon entropy: how often a blurred image has more entropy than the original, for images as they are and for images
that are standardised per pixel over the data set, as the study of AIC and SIC on medical images did.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from which_metric import DATA, work_of

from xaijax import kernels
from xaijax._runs.models import labels_of
from xaijax.metrics._stream import float_images
from xaijax.metrics.calibration import statistics
from xaijax.metrics.calibration.ladder import maps_of, name_of
from xaijax.metrics.metric import image_seed
from xaijax.metrics.pic import MASK_FRACTION, rebuild
from xaijax.metrics.pic_curve import area, curve_points, read_curve, scale
from xaijax.metrics.pic_information import measure_information

RESULTS = Path(__file__).resolve().parent / "results" / "pic_starts.json"
STARTS = ("today", "masks", "mean", "prior")
KINDS = ("aic", "sic")
DRAWS = 8
MEASURE = "mutual"


def blurred(image: np.ndarray, name: str, seed: int) -> np.ndarray:
    """An image rebuilt from its random mask alone."""
    mask = kernels.random_mask(image.shape[:2], MASK_FRACTION, image_seed(seed, name))
    return np.asarray(kernels.reveal(np.ascontiguousarray(image), np.where(mask, 0, 1)[None].astype(np.uint16), 1))[
        0, 0
    ]


def right(probabilities: np.ndarray, label: int) -> np.ndarray:
    """What AIC counts: the class is the most probable one, above 0.5."""
    return (probabilities.argmax(axis=-1) == label) & (probabilities[..., label] > 0.5)


def defined(kind: str, start: np.ndarray, intact: np.ndarray, label: int) -> bool:
    """Whether a curve from this start to the intact image has a length."""
    if kind == "sic":
        return bool(start[label] < intact[label])
    return bool(right(intact, label) and not right(start, label))


class Starts:
    """The starts of one image, and which of them each remedy takes."""

    def __init__(self, predict: Callable[[Any], np.ndarray], image: np.ndarray, name: str, label: int) -> None:
        mean = np.broadcast_to(np.rint(image.mean(axis=(0, 1))).astype(image.dtype), image.shape)
        starts = [blurred(image, name, seed) for seed in range(DRAWS)]
        found = np.asarray(predict(np.stack([image, mean, *starts])))
        self.label, self.intact, self.mean, self.blurred = label, found[0], found[1], found[2:]

    def scored(self, kind: str, prior: np.ndarray) -> dict[str, bool]:
        """Remedy -> whether the image has a value."""
        intact, label = self.intact, self.label
        return {
            "today": defined(kind, self.blurred[0], intact, label),
            "masks": any(defined(kind, one, intact, label) for one in self.blurred),
            "mean": defined(kind, self.mean, intact, label),
            "prior": bool(prior[label] < intact[label] if kind == "sic" else right(intact, label)),
        }


def value(kind: str, start: str, one: Starts, made: Mapping[int, Any], which: int, prior: np.ndarray) -> float:
    """AIC or SIC of one map under a remedy; NaN where it has none."""
    if not one.scored(kind, prior)[start]:
        return float("nan")
    rebuilt = made[first_defined(one, kind) if start == "masks" else 0]
    steps, information = rebuilt.probabilities[which], rebuilt.information[MEASURE][which]
    if kind == "aic":
        response = right(steps[1:-1], one.label).astype(float)  # 0 at the start and 1 at the end: scaled already
    else:
        first = {"mean": one.mean[one.label], "prior": prior[one.label]}.get(start, steps[0, one.label])
        response = np.clip(scale(steps[1:-1, one.label], first, one.intact[one.label]), 0.0, 1.0)
    position, curve = curve_points(scale(information[1:-1], information[0], information[-1]), response)
    return float(area(read_curve(position, curve)))


def shares(work: Any, count: int) -> dict[str, Any]:
    """Per class, how many images each remedy scores."""
    labels = labels_of(work.model, work.batch.labels)
    predict = work.model.classifier.predict
    answers = np.asarray(predict(work.batch.images)).argmax(axis=1)
    chosen = [i for k in np.unique(labels) for i in np.flatnonzero((labels == k) & (answers == k))[:count]]
    starts = [Starts(predict, work.batch.images[i], work.batch.ids[i], int(labels[i])) for i in chosen]
    prior = np.mean([one.blurred[0] for one in starts], axis=0)
    found: dict[str, Any] = {}
    for k, name in enumerate(work.model.classifier.classes):
        own = [one for one in starts if one.label == k]
        found[name] = {"images": len(own)} | {
            kind: {
                start: round(float(np.mean([one.scored(kind, prior)[start] for one in own])), 3) if own else None
                for start in STARTS
            }
            for kind in KINDS
        }
    return found


def quality(work: Any, count: int) -> dict[str, Any]:
    """C and random dominance on views, of all values and of those that a remedy adds to today's."""
    plan = work.plan
    cases = [case for case in plan.cases if case.construction == "view"][:count]
    textures, levels = plan.textures, plan.levels
    names = [name_of(texture, level) for texture in textures for level in levels]
    held = []
    for case in cases:
        scene = plan.scene(case.number)
        held.append((case, scene, Starts(scene.classifier.predict, scene.image, str(case.number), scene.label)))
    prior = np.mean([one.blurred[0] for _, _, one in held], axis=0)
    tables: dict[tuple[str, str], list[np.ndarray]] = {(kind, start): [] for kind in KINDS for start in STARTS}
    for case, scene, one in held:
        maps = {
            name: map
            for name, map in maps_of(scene.truth, scene.image, textures, levels, (plan.seed, case.number))
            if name in names and map is not None
        }
        made = {}
        for draw in {0, *(first_defined(one, kind) for kind in KINDS)}:
            options: dict[str, Any] = {"name": str(case.number), "measures": (MEASURE,), "seed": draw}
            made[draw] = rebuild(scene.classifier, scene.image, maps, **options, num_threads=1)
        order = {name: i for i, name in enumerate(maps)}
        for (kind, start), rows in tables.items():
            grid = [value(kind, start, one, made, order[name], prior) if name in order else np.nan for name in names]
            rows.append(np.array(grid).reshape(len(textures), len(levels)))
    found = {}
    for kind in KINDS:
        today = np.isfinite(np.stack(tables[kind, "today"])[:, 0, 0])
        for start in STARTS:
            grid = np.stack(tables[kind, start])
            there = np.isfinite(grid[:, 0, 0])
            found[f"{kind} {start}"] = {
                "cases": len(grid), "scored": int(there.sum()), **numbers(grid[there]),
                "added": int((there & ~today).sum()), "of added": numbers(grid[there & ~today]),
            }  # fmt: skip
    return found


def first_defined(one: Starts, kind: str) -> int:
    """The mask that the remedy of several masks takes; the first where none will do."""
    good = [k for k, found in enumerate(one.blurred) if defined(kind, found, one.intact, one.label)]
    return good[0] if good else 0


def numbers(grid: np.ndarray) -> dict[str, float | None]:
    """Concordance and random dominance, means over cases."""
    if not len(grid):
        return {"concordance": None, "random_dominance": None}
    dominance, _ = statistics.random_dominance(grid)
    return {
        "concordance": round(float(np.nanmean(statistics.concordance(grid))), 3),
        "random_dominance": round(float(np.nanmean(dominance)), 3),
    }


def entropy(images: np.ndarray, ids: Sequence[str]) -> dict[str, Any]:
    """How often the blurred image has more Shannon entropy than the original."""
    given = float_images(images).astype(np.float32)
    spread = given.std(axis=0)
    found = {}
    for name, some in {
        "as they are": images,
        "standardised per pixel": (given - given.mean(axis=0)) / (spread + 1e-7),
        "standardised as a whole": (given - given.mean()) / given.std(),
    }.items():
        pairs = []
        for image, one in zip(some, ids, strict=True):
            both = np.stack([image, blurred(image, one, 0)])
            pairs.append(measure_information(both, image, ["shannon"], num_threads=1)["shannon"])
        bits = np.array(pairs)
        found[name] = {
            "images": len(bits),
            "blurred has more": round(float((bits[:, 1] >= bits[:, 0]).mean()), 3),
            "original, bits": round(float(bits[:, 0].mean()), 2),
            "blurred, bits": round(float(bits[:, 1].mean()), 2),
        }
    return found


def table(found: Mapping[str, Any]) -> list[str]:
    """Markdown of everything."""
    each = [(kind, start) for kind in KINDS for start in STARTS]
    lines = [f"| data | class | images | {' | '.join(f'{kind.upper()} {start}' for kind, start in each)} |"]
    lines.append("|---" * (3 + len(each)) + "|")
    for data, one in found.items():
        for name, row in one["shares"].items():
            cells = ["–" if row[k][s] is None else f"{row[k][s]:.0%}".replace("%", " %") for k, s in each]
            lines.append(f"| {data} | {name} | {row['images']} | {' | '.join(cells)} |")
    lines += [
        "",
        "| data | metric, start | views scored | C | noise beats truth | added | C of the added | noise beats truth |",
    ]
    lines.append("|---" * 8 + "|")
    for data, one in found.items():
        for name, row in one["quality"].items():
            cells = [row["concordance"], row["random_dominance"], row["added"], *row["of added"].values()]
            shown = ["–" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells]
            lines.append(f"| {data} | {name} | {row['scored']} of {row['cases']} | {' | '.join(shown)} |")
    lines += [
        "",
        "| data | input | images | blurred has more entropy | original, bits | blurred, bits |",
        "|---" * 6 + "|",
    ]
    for data, one in found.items():
        for name, row in one["entropy"].items():
            more = f"{row['blurred has more']:.0%}".replace("%", " %")
            lines.append(
                f"| {data} | {name} | {row['images']} | {more} | {row['original, bits']} | {row['blurred, bits']} |"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, stores and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of which_metric.py, with its trained models")
    parser.add_argument("--images", type=Path, help="folder of the data sets; phantoms need none")
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--count", type=int, default=24, help="images of each class, and views")
    given = parser.parse_args(arguments)
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for data in given.data:
        source = data if data == "phantoms" else str((given.images or Path()) / data)
        work = work_of(data, source, given.folder / f"{data}-{given.model}" / "model", given.count)
        found[data] = {
            "shares": shares(work, given.count),
            "quality": quality(work, given.count),
            "entropy": entropy(work.batch.images, work.batch.ids),
        }
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        print(f"{data} is done", flush=True)
    print("\n".join(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
