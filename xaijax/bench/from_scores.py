"""`xaijax.report`: the report of `xaijax bench` from scores and arrays of any model and any library."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xaijax import _names
from xaijax._errors import InputError
from xaijax._outputs import check_output, check_predictions
from xaijax._runs import checksums, provenance
from xaijax._runs.folder import DESCRIPTION, read_json, write_folder
from xaijax.bench.config import DRAWN, SHOWN
from xaijax.metrics import METRICS, Scores, checks
from xaijax.metrics._evaluate import of_findings
from xaijax.metrics.metric import LESION_ROLE

KIND = "report"
PART = "00-0000"


def report(
    scores: Scores,
    *,
    out: str | Path,
    images: Any = None,
    maps: Mapping[str, Any] | None = None,
    masks: Any = None,
    labels: Any = None,
    predictions: Any = None,
    classes: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    model: str = "model",
    output: str = "softmax",
    notes: Sequence[str] = (),
    gallery: int | Literal["all"] = "all",
    groups: Mapping[str, Sequence[Any]] | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes the report of a benchmark from scores: report.html, tables (CSV), figures and the scores as Parquet.

    Arrays are the ones that `xaijax.metrics.evaluate` got; each is optional and adds what it shows.

    Args:
        scores: of `xaijax.metrics.evaluate`, with their curves.
        out: the folder; new or empty.
        images: `[B, H, W, C]` uint8, uint16 or float in [0, 1], C = 1 or 3: heat maps are drawn over them.
        maps: method -> `[B, H, W]`, higher means more important; methods of `scores`, all or some.
        masks: `[B, H, W]` bool or uint8, or a dictionary by role; lesions are outlined.
        labels: as in `evaluate`: `[B]` the explained classes, or `[B, K]` findings.
        predictions: `[B, K]` probabilities of the model for the images; with labels the report has the accuracy.
        classes: `[K]` names; default: `"0"`, `"1"`, ...
        ids: `[B]` names of the images, as given to `evaluate`; default: `"0"`, `"1"`, ...
        model: name of the model that was explained.
        output: what its predictions are: `"softmax"`, `"sigmoid"` (findings), `"binary"` or `"regression"`.
        notes: sentences on how the maps were made; the report shows them.
        gallery: how many images the report can show with their maps: `"all"` (at most 1000), or a number.
        groups: what images belong to, such as `{"patient": [...], "site": [...]}`, one value for each image of `ids`;
            None or "" where it is not known.
        overwrite: replace a folder that `report` wrote.

    Returns:
        The path of report.html, one file with everything in it.

    Raises:
        TypeError: for arrays of the wrong kind.
        InputError: (a ValueError) for what does not fit together; nothing is written then.

    Example:
        >>> import tempfile
        >>> rng = np.random.default_rng(0)
        >>> rows = [(str(n), m, "iou", float(rng.random()), "") for n in range(3) for m in ("Grad-CAM", "sobel")]
        >>> path = report(Scores.from_rows(rows), out=Path(tempfile.mkdtemp()) / "mine")
        >>> path.name, sorted(p.name for p in path.parent.glob("*.csv"))
        ('report.html', ['ranks.csv', 'stability.csv', 'statistics.csv', 'summary.csv'])
    """
    if not isinstance(scores, Scores):
        raise TypeError(f"scores must be the Scores of xaijax.metrics.evaluate; got {type(scores).__name__}")
    if not len(scores):
        raise InputError("scores has no rows: there is nothing to report")
    for metric in scores.metrics():
        if metric not in METRICS:
            raise InputError(f"scores has the metric {metric!r}: {_names.closest(metric, METRICS)}")
    kind = check_output(output)
    if gallery != "all" and (isinstance(gallery, bool) or not isinstance(gallery, int | np.integer) or gallery < 0):
        raise InputError(f'gallery is {gallery!r}; it must be "all", or how many images are shown, 0 or more')
    count = SHOWN if gallery == "all" else int(gallery)
    if isinstance(notes, str):
        raise InputError(f"notes must be a list of sentences; got the string {notes!r}: pass [{notes!r}]")
    if not model or not isinstance(model, str):
        raise InputError(f"model is {model!r}; it must be the name of the model that was explained")
    arrays = _Arrays(scores, images, maps, masks, labels, predictions, classes, ids, kind)
    belong = _belonging(groups, arrays.ids)

    def fill(folder: Path) -> None:
        from xaijax.bench.pictures import table_of
        from xaijax.bench.report import write_report
        from xaijax.bench.store import PREDICTIONS, Store
        from xaijax.bench.tables import detections_of, groups_of, predictions_of, tables_of

        checksums.write_signed(folder / DESCRIPTION, _description(scores, arrays, Path(out).name, model, notes))
        predicted = PREDICTIONS.empty_table()
        if arrays.predictions is not None and arrays.labels is not None and kind != "regression":
            known = arrays.labels if arrays.labels.ndim == 2 else arrays.labels.astype(np.int64)
            if kind != "sigmoid" or known.ndim == 2:  # one finding of each image says nothing of the others
                predicted = predictions_of(model, arrays.ids, known, arrays.predictions, arrays.classes)
        store = Store(folder)
        drawn = arrays.for_figures(min(DRAWN, count))
        own = table_of(row for place in arrays.chosen(count) for row in arrays.pictures(place))
        named = groups_of(arrays.ids, belong)
        found = detections_of(model, arrays.names, arrays.lesions(), arrays.maps) if arrays.maps else None
        store.write_part(PART, tables_of(scores, model, predicted, drawn, pictures=own, groups=named, detections=found))
        write_report(store)
        apart = (DESCRIPTION, checksums.PARTS)
        checksums.seal(folder, [path.name for path in folder.iterdir() if path.name not in apart])

    folder = Path(out).expanduser()
    write_folder(folder, fill, KIND, is_one=_is_report, overwrite=overwrite)
    return folder / "report.html"


def _belonging(groups: Mapping[str, Sequence[Any]] | None, ids: Sequence[str]) -> list[dict[str, str]]:
    """For each image {group: value}."""
    for name, values in (groups or {}).items():
        if len(values) != len(ids):
            raise InputError(
                f"groups[{name!r}] has {len(values)} values and there are {len(ids)} images: give one for each"
            )
    known = {
        name: ["" if one is None else str(one).strip() for one in values] for name, values in (groups or {}).items()
    }
    return [{name: values[place] for name, values in known.items() if values[place]} for place in range(len(ids))]


def _is_report(folder: Path) -> bool:
    if not (folder / DESCRIPTION).is_file():
        return False
    return bool(read_json(folder / DESCRIPTION, KIND).get("kind") == KIND)


def _description(scores: Scores, arrays: "_Arrays", name: str, model: str, notes: Sequence[str]) -> dict[str, Any]:
    """What run.json holds, as far as `xaijax.bench.report` reads it."""
    said = [str(note) for note in notes]
    absent = [method for method in scores.methods() if method not in arrays.maps]
    if arrays.maps and absent:
        said.append(f"Maps of {', '.join(absent)} were not given and are not shown.")
    shape = [] if arrays.images is None else list(arrays.images.shape[1:])
    entry = {"name": model, "path": "", "classes": list(arrays.classes), "input_shape": shape, "digest": ""}
    roles = [role for role in arrays.masks if role is not None]
    return {
        "kind": KIND,
        "name": name,
        "command": "",
        "config": {"seed": 0},
        **provenance.describe(),
        "data": {
            "name": "",
            "classes": list(arrays.classes),
            "roles": roles,
            "mask_role": "",
            "images": scores.images(),
            "skipped": [],
        },
        "models": [entry],
        "methods": scores.methods(),
        "metrics": scores.metrics(),
        "notes": said,
    }


class _Arrays:
    """What was given besides the scores, checked.

    Attributes:
        ids: `[B]` names of the images.
        classes: names; empty where their number is unknown.
        images, labels, predictions: as given, or None.
        masks: role -> `[N, H, W]` bool; of findings one for each that is explained.
        maps: method -> `[N, H, W]`, likewise.
        rows: `[N]` the image of each map, `explained` its label, `names` its name in the gallery.
    """

    def __init__(
        self,
        scores: Scores,
        images: Any,
        maps: Mapping[str, Any] | None,
        masks: Any,
        labels: Any,
        predictions: Any,
        classes: Sequence[str] | None,
        ids: Sequence[str] | None,
        output: Any,
    ) -> None:
        self.output = output
        self.images = None if images is None else checks.as_images(images)
        self.labels = None if labels is None else np.asarray(labels)
        found = None if predictions is None else np.asarray(predictions)
        self.ids = self._names(scores, found, ids)
        count = len(self.ids)
        if self.images is not None and self.images.shape[-1] not in (1, 3):
            raise InputError(f"images must have 1 or 3 channels to be shown; got shape {self.images.shape}")
        named = None if classes is None else tuple(map(str, classes))
        self.predictions = found
        if found is not None:
            self.predictions = check_predictions(found, output, count, named, function="predictions")
            if not np.isfinite(self.predictions).all():
                row = int(np.flatnonzero(~np.isfinite(self.predictions).all(axis=1))[0])
                raise InputError(f"predictions must be finite; those of image {self.ids[row]!r} hold NaN or infinity")
        self.classes = self._classes(named)
        self.rows, self.explained, findings = np.arange(count), None, None
        if self.labels is not None:
            wanted = self.classes or None
            self.rows, self.explained, findings = checks.check_labels(self.labels, self.ids, output, wanted)
        self.names = self.ids
        if findings is not None:
            self.names = [f"{self.ids[row]}: {finding}" for row, finding in zip(self.rows, findings, strict=True)]
            maps, masks = of_findings(maps, masks, self.rows, self.explained, count)
        self.maps, self.masks = {}, {}
        if (maps or masks is not None) and self.images is None:
            raise InputError("maps and masks are drawn over the images: give images too")
        if self.images is not None:
            shown = self.images[self.rows]
            self.maps = (
                {} if not maps else {m: one.maps for m, one in checks.check_maps(maps, shown, self.names).items()}
            )
            self.masks = checks.check_masks(masks, shown)
        for method in self.maps:
            if method not in scores.methods():
                raise InputError(
                    f"maps has the method {method!r}, which scores lacks: give maps of {', '.join(scores.methods())}"
                )

    def _names(self, scores: Scores, predictions: Any, ids: Sequence[str] | None) -> list[str]:
        """The names of the images, which must be those of the scores."""
        given = {"images": self.images, "labels": self.labels, "predictions": predictions}
        lengths = {name: len(values) for name, values in given.items() if values is not None and values.ndim}
        if ids is not None:
            lengths["ids"] = len(ids)
        if len(set(lengths.values())) > 1:
            words = ", ".join(f"{count} {name}" for name, count in lengths.items())
            raise InputError(f"images, labels, predictions and ids must be equally many; got {words}")
        count = next(iter(lengths.values()), 0)
        if not lengths:
            return scores.images()
        names = [str(number) for number in range(count)] if ids is None else [str(name) for name in ids]
        if len(set(names)) != count:
            raise InputError(f"ids must be distinct names, one per image; got {count}, {len(set(names))} distinct")
        unknown = [image for image in scores.images() if image not in set(names)]
        if unknown:
            what = "ids has" if ids is not None else f"the {count} images have without ids"
            raise InputError(
                f"scores has the image {unknown[0]!r}, which is not among the names that {what}: give the ids that "
                "evaluate got"
            )
        if self.images is not None:
            checks.check_images(self.images, names)
        return names

    def _classes(self, named: tuple[str, ...] | None) -> tuple[str, ...]:
        if named is not None:
            return named
        if self.predictions is not None:
            return tuple(map(str, range(self.predictions.shape[1])))
        if self.labels is None or not self.labels.size or self.output == "regression":
            return ()
        if self.labels.ndim == 2:
            return tuple(map(str, range(self.labels.shape[1])))
        if self.output == "sigmoid":
            raise InputError("labels of findings need their names: give classes")
        if self.labels.dtype.kind not in "iub":
            return ()  # refused with the labels
        return tuple(map(str, range(max(2, int(self.labels.max()) + 1))))

    def lesions(self) -> np.ndarray:
        """`[N, H, W]` bool, the lesion of each map; False where there is none."""
        assert self.images is not None
        return np.asarray(self.masks.get(LESION_ROLE, np.zeros((len(self.rows), *self.images.shape[1:3]), bool)))

    def chosen(self, count: int) -> list[int]:
        """Positions of the maps that the report can show, spread evenly."""
        total = len(self.rows) if self.maps and self.images is not None else 0
        count = min(count, total)
        return [place for place in range(total) if (place + 1) * count // total > place * count // total]

    def pictures(self, place: int) -> list[tuple[str, str, str, float, bytes]]:
        """What the report's browser shows of one image."""
        from xaijax.bench.pictures import pictures_of

        assert self.images is not None
        image = self.images[self.rows[place]]
        if image.dtype == np.uint16:
            image = (image / np.float32(65535)).astype(np.float32)
        mask = self.masks.get(LESION_ROLE)
        maps = {method: np.asarray(values[place]) for method, values in self.maps.items()}
        return pictures_of(self.names[place], image, None if mask is None else np.asarray(mask[place]), maps)

    def for_figures(self, count: int) -> dict[str, np.ndarray]:
        """The arrays of the gallery, as the parts of a benchmark keep them; none without images and maps."""
        if not count or not self.maps or self.images is None or not len(self.rows):
            return {}
        rows = self.rows[:count]
        images = self.images[rows]
        if images.dtype == np.uint16:
            images = (images / np.float32(65535)).astype(np.float32)
        shape = images.shape[:3]
        kept = {
            "ids": np.asarray(self.names[:count]),
            "images": images,
            "masks": np.asarray(self.masks.get(LESION_ROLE, np.zeros((len(self.rows), *shape[1:]), bool)))[:count],
            "methods": np.asarray(list(self.maps)),
            "maps": np.stack([values[:count] for values in self.maps.values()]).astype(np.float32),
        }
        if self.explained is not None:
            kept["labels"] = self.explained[:count]
        if self.predictions is not None:
            kept["probabilities"] = self.predictions[rows]
        if self.output in ("sigmoid", "regression"):
            kept["output"] = np.asarray(self.output)
        return kept
