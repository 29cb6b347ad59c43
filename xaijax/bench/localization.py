"""Maps as masks, boxes and detections, where lesions are known: threshold sweep, box IoU, hit rate, FROC.

detections.csv   model, method, images, lesions, then by threshold: iou, box_iou, found (share of the lesions), false
                 (regions per image)
localization.csv the table of the report
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xaijax import plot
from xaijax._files import safe_names
from xaijax._runs import page, tables
from xaijax.metrics.detection import THRESHOLDS
from xaijax.metrics.statistics import cluster_means
from xaijax.plot import _style as style

FALSE = 1.0
"""False regions per image at which the share of lesions found is read off."""
BOX = 0.5
"""Box IoU from which a box counts as right."""

Found = dict[str, dict[str, dict[str, np.ndarray]]]


def read(table: pa.Table) -> Found:
    """model -> method -> arrays of its images, from a table of schema `DETECTIONS`."""
    found: Found = {}
    for model in dict.fromkeys(table["model"].to_pylist()):
        of_model = table.filter(pc.equal(table["model"], model))
        for method in style.in_order(of_model["method"].to_pylist()):
            own = of_model.filter(pc.equal(of_model["method"], method))
            arrays = {name: np.array(own[name].to_pylist()) for name in ("image", "lesions", "hit")}
            arrays |= {name: np.array(own[name].to_pylist(), float) for name in ("iou", "box_iou", "found", "false")}
            found.setdefault(model, {})[method] = arrays
    return found


def summary(found: Found, patients: Mapping[str, str] | None = None, *, seed: int = 0) -> list[dict[str, Any]]:
    """One row for each model and method: what it finds, with 95 % intervals that draw patients.

    IoU and boxes are read at a threshold that is chosen on the other half of the images, so that no image is scored
    with a threshold that it chose.

    Args:
        found: of `read`.
        patients: image -> its patient.
        seed: of halves and bootstrap.
    """
    rows = []
    for model, methods in found.items():
        for method, own in methods.items():
            images = [str(image) for image in own["image"]]
            clusters = [_patient(image, patients or {}) for image in images]
            at = _crossed(own["iou"], clusters, seed), _crossed(own["box_iou"], clusters, seed)
            columns = {
                "hit": own["hit"].astype(float),
                "iou": own["iou"][np.arange(len(images)), at[0]],
                "box_right": (own["box_iou"][np.arange(len(images)), at[1]] >= BOX).astype(float),
            }
            means = cluster_means(np.stack(list(columns.values()), axis=1), clusters, ends=(0.0, 1.0), seed=seed)
            row: dict[str, Any] = {"model": model, "method": method, "images": len(images)}
            for place, name in enumerate(columns):
                row |= {name: float(means.mean[place]), f"{name}_low": float(means.low[place])}
                row[f"{name}_high"] = float(means.high[place])
            false, share = froc(own)
            reached = share[false <= FALSE]
            row["found"] = float(reached.max()) if len(reached) else 0.0
            row["lesions"] = int(own["lesions"].sum())
            rows.append(row)
    return rows


def _patient(image: str, patients: Mapping[str, str]) -> str:
    """The patient of an image or of a pair "image: finding"; the image itself where none is known."""
    return patients.get(image) or patients.get(image.rpartition(": ")[0]) or f"image {image}"


def froc(own: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """False regions per image and the share of all lesions that is found, in the order of falling thresholds."""
    return own["false"].mean(axis=0)[::-1], (own["found"].sum(axis=0) / own["lesions"].sum())[::-1]


def _crossed(values: np.ndarray, clusters: Sequence[str], seed: int) -> np.ndarray:
    """`[N]` position of the threshold of each image: the best on the other half of the patients; of one patient alone
    that of half the range, since no other one could choose."""
    names = sorted(set(clusters))
    side = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % 2, strict=True))
    half = np.array([side[name] for name in clusters])
    chosen = np.zeros(len(values), int)
    for own in (0, 1):
        others = values[half != own]
        chosen[half == own] = int(others.mean(axis=0).argmax()) if len(others) else THRESHOLDS.index(0.5)
    return chosen


def to_csv(found: Found) -> str:
    """The sweep as CSV text: one line for each model, method and threshold."""
    rows = []
    for model, methods in found.items():
        for method, own in methods.items():
            false, share = (one[::-1] for one in froc(own))
            for place, threshold in enumerate(THRESHOLDS):
                rows.append(
                    {
                        "model": model,
                        "method": method,
                        "threshold": threshold,
                        "images": len(own["image"]),
                        "lesions": int(own["lesions"].sum()),
                        "iou": float(own["iou"][:, place].mean()),
                        "box_iou": float(own["box_iou"][:, place].mean()),
                        "found": float(share[place]),
                        "false": float(false[place]),
                    }
                )
    return tables.to_csv(rows)


def draw(folder: Path, found: Found, *, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """model -> its figures: IoU and box IoU against the threshold, and FROC."""
    drawn: dict[str, list[dict[str, Any]]] = {}
    prefixes = safe_names(found)
    for model, methods in found.items():
        prefix = prefixes[model]
        count = max(len(own["image"]) for own in methods.values())
        images = f"{count} image{'s' if count != 1 else ''}"
        entries = []
        for name, words in (("iou", "IoU with the mask"), ("box_iou", "IoU of the boxes")):
            lines = {
                method: plot.mean_curve([THRESHOLDS] * len(own[name]), own[name], own[name].mean(axis=1), seed=seed)
                for method, own in methods.items()
            }
            figure = plot.curves(
                lines, title=f"{words}, {images}", x_label="threshold (share of the map's range)", y_label=words
            )
            path = page.save_figure(figure, folder / f"{prefix}-sweep-{name}.svg")
            entries.append({"path": path, "alt": f"{words} against the threshold, one line per method, {model}"})
        figure = plot.froc({method: froc(own) for method, own in methods.items()}, title=f"FROC, {images}")
        path = page.save_figure(figure, folder / f"{prefix}-froc.svg")
        entries.append({"path": path, "alt": f"Share of the lesions found against false regions per image, {model}"})
        drawn[model] = entries
    return drawn
