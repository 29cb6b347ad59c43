"""The image browser of a report: every kept image with its maps, scores, curves and rebuilt images, in the page itself.

What does not fit into the page (`LIMIT`) goes into a folder next to it, one script file for each image, which a browser
also loads from a page that was opened as a file. The page of a run of a million images shows those that were kept
(`--gallery`), and says how many there are.
"""

import base64
import dataclasses
import json
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from xaijax.bench.calibrated import Judged
from xaijax.bench.results import describe
from xaijax.bench.store import Part, Store, paired
from xaijax.metrics import METRICS, REASONS
from xaijax.plot import _style as style

LIMIT = 30 * 2**20
"""Bytes of pictures that a page holds itself."""
FOLDER = "report-images"
"""Where the others are, next to the page."""
POINTS = 33
"""Points of a curve that are kept for the page."""
CHOICES = 40
"""Values of a group that are listed to choose from; of more, a text is searched."""


@dataclasses.dataclass(frozen=True)
class Browser:
    """What the template needs.

    Attributes:
        data: JSON values: models with their images, methods, metrics, groups.
        pictures: key of an image -> JSON text of its pictures and curves, for those in the page.
        count: images that can be looked at, over all models.
        images: with scores, over all models; of findings pairs of image and finding.
        said: sentences on what is left out.
        colours: Matplotlib's inferno as three lists of numbers in [0, 1], for an SVG filter.
    """

    data: Mapping[str, Any]
    pictures: Mapping[str, str]
    count: int
    images: int
    said: tuple[str, ...]
    colours: tuple[str, str, str]


def build(
    store: Store, run: Mapping[str, Any], judged: Mapping[str, Judged], *, total: int, limit: int = LIMIT
) -> Browser | None:
    """Gathers what the browser shows; writes `FOLDER` where it does not fit into the page.

    Args:
        store: of a run.
        run: the contents of run.json.
        judged: model -> its calibration.
        total: images with scores, over all models.
        limit: bytes that the page holds.

    Returns:
        None for a run that kept no pictures.
    """
    methods = style.in_order(run["methods"])
    shown: dict[str, dict[str, dict[str, Any]]] = {}  # model -> its images, in the order of the parts
    sizes = {"rebuilt": 0, "rest": 0}
    models = [entry["name"] for entry in run["models"]]
    for part, table in store.pictures():
        names: dict[str, None] = {}
        for image, what, data in zip(*(table[c].to_pylist() for c in ("image", "what", "webp")), strict=True):
            names[image] = None
            sizes["rebuilt" if what == "rebuilt" else "rest"] += len(data) * 4 // 3
        found = _images(part, list(names), methods, run["metrics"])
        shown.setdefault(_model_of(part, models), {}).update(found)
    _remove(store)
    if not shown:
        return None
    said, rebuilt, folder = [], True, ""
    if sum(sizes.values()) > limit:
        rebuilt, folder = sizes["rest"] > limit, FOLDER if sizes["rest"] > limit else ""
    if not rebuilt:
        said.append(f"Rebuilt images are left out: with them the page would hold more than {limit // 2**20} MB.")
    if folder:
        said.append(f"The pictures lie in the folder {FOLDER} next to this page: keep the two together.")
    data = {
        "models": [{"name": model, "images": list(own.values())} for model, own in shown.items()],
        "methods": methods,
        "metrics": [_described(metric, judged) for metric in run["metrics"]],
        "groups": _groups(store, list(dict.fromkeys(image for own in shown.values() for image in own))),
        "reasons": REASONS | {"": "not scored"},
        "folder": folder,
    }
    keys = {(model, image): f"{m}-{i}" for m, (model, own) in enumerate(shown.items()) for i, image in enumerate(own)}
    pictures = {}
    for model, image, values in _payloads(store, models, rebuilt):
        key = keys[model, image]
        text = _safe(values)
        if folder:
            store.write_text(f"{folder}/{key}.js", f'xaijaxImage("{key}", {text});\n')
        else:
            pictures[key] = Markup(text)  # `_safe` has escaped what could end the script
    return Browser(data, pictures, len(keys), total, tuple(said), _inferno())


def _model_of(part: Part, models: list[str]) -> str:
    return models[int(part.name.partition("-")[0])]


def _remove(store: Store) -> None:
    """The folder of the report as it was before."""
    if (store.root / FOLDER).is_dir():
        shutil.rmtree(store.root / FOLDER)


def _described(metric: str, judged: Mapping[str, Judged]) -> dict[str, Any]:
    axes = METRICS[metric].axes
    believed = not judged or all(metric in one.believed for one in judged.values())
    return {
        "name": metric,
        "title": describe(metric)["title"],
        "higher": METRICS[metric].higher_is_better,
        "believed": believed,
        "x": axes.x if axes else "",
        "y": axes.y if axes else "",
    }


def _images(part: Part, images: list[str], methods: list[str], metrics: list[str]) -> dict[str, dict[str, Any]]:
    """Name, class, prediction and scores `[metric][method]` of some images of a part; a reason for no score."""
    shown: dict[str, dict[str, Any]] = {
        image: {
            "id": image,
            "scores": [[""] * len(methods) for _ in metrics],
            "label": "",
            "predicted": "",
            "p": None,
        }
        for image in images
    }
    row, column = {name: i for i, name in enumerate(metrics)}, {name: i for i, name in enumerate(methods)}
    for image, method, metric, value, reason in _rows(part, "scores", shown):
        shown[image]["scores"][row[metric]][column[method]] = reason or _number(value)
    for image, label, guess, chance in _rows(part, "predictions", shown):
        shown[image] |= {"label": label, "predicted": guess, "p": round(chance, 3)}
    return shown


COLUMNS = {
    "scores": ("image", "method", "metric", "value", "reason"),
    "predictions": ("image", "label", "predicted", "probability"),
    "curves": ("image", "curve", "entropy", "method", "position", "value"),
    "responses": ("image", "metric", "method", "fraction", "value"),
}


def _rows(part: Part, folder: str, images: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of some images in a table of a part; with findings an image is "image: finding"."""
    table = part.table(folder)
    if table is None:
        return
    table = paired(table)
    own = table.filter(pc.is_in(table["image"], value_set=pa.array(list(images), pa.string())))
    yield from zip(*(own[name].to_pylist() for name in COLUMNS[folder]), strict=True)


def _number(value: float) -> float | str:
    """A score in four digits; JSON has no infinity."""
    return float(f"{value:.4g}") if math.isfinite(value) else "not_finite"


def _groups(store: Store, images: list[str]) -> list[dict[str, Any]]:
    """name, values of each image, and those to choose from, of each group that tells images apart."""
    found: dict[str, dict[str, str]] = {}
    table = store.groups()
    for image, group, value in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
        found.setdefault(group, {})[image] = value
    made = []
    for group, own in found.items():
        # With findings an image's name is "image: finding".
        values = {image: own[key] for image in images if (key := image if image in own else _image_of(image, own))}
        choices = sorted(set(values.values()))
        if len(choices) > 1:
            made.append({"name": group, "values": values, "choices": choices if len(choices) <= CHOICES else []})
    return made


def _image_of(pair: str, own: Mapping[str, str]) -> str:
    image = pair.rpartition(": ")[0]
    return image if image in own else ""


def _payloads(store: Store, models: list[str], rebuilt: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Model, name, and pictures with curves of each image, part by part."""
    for part, table in store.pictures():
        found: dict[str, dict[str, Any]] = {}
        for image, what, method, share, data in zip(*(table[n].to_pylist() for n in table.column_names), strict=True):
            own = found.setdefault(image, {"maps": {}, "rebuilt": {}, "curves": {}})
            text = base64.b64encode(data).decode("ascii")
            if what == "map":
                own["maps"][method] = text
            elif what == "rebuilt":
                if rebuilt:
                    own["rebuilt"].setdefault(method, []).append([share, text])
            else:
                own[what] = text
        for image, metric, method, x, y in _lines(part, found):
            found[image]["curves"].setdefault(metric, {}).setdefault(method, [x, y])  # the first random mask
        for image, values in found.items():
            yield _model_of(part, models), image, values


def _lines(part: Part, images: Iterable[str]) -> Iterator[tuple[str, str, str, list[float], list[float]]]:
    """Image, metric, method and points of each curve."""
    for image, kind, entropy, method, x, y in _rows(part, "curves", images):
        if np.isfinite(x).all() and np.isfinite(y).all():
            yield image, f"{kind}_{entropy}", method, *_thin(x, y)
    for image, metric, method, x, y in _rows(part, "responses", images):
        if np.isfinite(x).all() and np.isfinite(y).all():
            yield image, metric, method, *_thin(x, y)


def _thin(x: list[float], y: list[float]) -> tuple[list[float], list[float]]:
    """A curve in at most `POINTS` of its own points, with three decimals."""
    keep: Any = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).round().astype(int)) if x else []
    return [round(x[i], 3) for i in keep], [round(y[i], 3) for i in keep]


def _safe(values: Any) -> str:
    """JSON that can stand in a script of a page: no tag can end in it."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _inferno(steps: int = 17) -> tuple[str, str, str]:
    """The colour map of the figures, as an SVG filter takes it."""
    import matplotlib

    colours = matplotlib.colormaps["inferno"](np.linspace(0, 1, steps))[:, :3]
    red, green, blue = (" ".join(f"{value:.3f}" for value in colours[:, channel]) for channel in range(3))
    return red, green, blue
