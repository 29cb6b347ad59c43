"""The scores of a run, one metric at a time: read once from its parts, kept in columns of numbers.

The statistics of a run need one metric of one model at a time, as a table of images and methods. So the parts are read
once, and the values of every metric are put after each other: in memory, and from a certain size on in files in the
run folder, which go away with this object. A run of a million images then needs the memory of one metric.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax.bench.spool import Spool
from xaijax.bench.store import TARGET
from xaijax.metrics._curves import Curves

NO_ROW = -1

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


class Columns:
    """The scores of one model: `xaijax.metrics.scores.ScoreTable`, whose images are rows.

    A row is an image, or a finding of an image where the model has several.

    Args:
        name: of the model.
        spool: where values are kept.

    Attributes:
        name: of the model.
        curves: those that were read, without their points; see `read`.
        curve_images: how many images these are of; 0 for all.
        order: (finding, method, metric) in the order of first appearance, the finding `""` over all.
        reasons_there: why values are missing, by their codes; the first is `""`.
    """

    def __init__(self, name: str, spool: Spool) -> None:
        self.name = name
        self.curves = Curves()
        self.curve_images = 0
        self.order: dict[tuple[str, str, str], None] = {}
        self.reasons_there = [""]
        self._spool, self._key = spool, spool.models
        spool.models += 1
        self._methods: dict[str, int] = {}
        self._metrics: dict[str, int] = {}
        self._targets: dict[str, int] = {"": 0}
        self._classes: dict[str, int] = {}
        self._names: list[pa.Array] = []
        self._blocks: dict[str, list[tuple[int, int, int]]] = {}  # metric -> (first row, rows, methods) of its blocks
        self._rows = 0
        self._images = 0
        self._combined: pa.Array | None = None

    def __len__(self) -> int:
        return self._rows

    @property
    def images_there(self) -> int:
        """How many images there are."""
        return self._images

    @property
    def by_finding(self) -> bool:
        """Whether rows are about a finding each."""
        return len(self._targets) > 1

    def methods(self) -> list[str]:
        """The methods, in order of first appearance."""
        return list(self._methods)

    def metrics(self) -> list[str]:
        """The metrics, in order of first appearance."""
        return list(self._metrics)

    def names(self) -> pa.Array:
        """`[N]` the name of each row: its image, or "image: finding"."""
        if self._combined is None:
            self._combined = pa.concat_arrays(self._names) if self._names else pa.array([], pa.string())
            self._names = [self._combined]
        return self._combined

    def alphabetical(self, images: Any) -> NDArray[np.int64]:
        """`[N]` the order of some rows by their names."""
        return np.asarray(pc.sort_indices(self.names().take(pa.array(images))), np.int64)

    def targets(self) -> tuple[NDArray[np.int32], list[str]]:
        """`[N]` the finding of each row as a number, and their names, `""` for none."""
        return np.asarray(self._spool.read((self._key, "targets"), np.int32)), list(self._targets)

    def groups(self) -> NDArray[np.int64]:
        """`[N]` the number of each row's image."""
        return np.asarray(self._spool.read((self._key, "images"), np.int64))

    def images(self) -> pa.Array:
        """`[N]` the image of each row."""
        if not self.by_finding:
            return self.names()
        targets, there = self.targets()
        ends = pa.array([f": {name}" if name else "" for name in there])
        cut = pc.utf8_length(ends.take(pa.array(targets)))
        lengths = pc.subtract(pc.utf8_length(self.names()), cut)
        return pa.array(
            [name[:length] for name, length in zip(self.names().to_pylist(), lengths.to_pylist(), strict=True)],
            pa.string(),
        )

    def units(self, metric: str, patients: Mapping[str, Any] | None = None) -> NDArray[np.int64]:
        """What each row of `matrix(metric)` belongs to, as a number: its patient, or else its image."""
        rows = self._rows_of(metric)
        units = units_of(self.images(), patients) if patients else self.groups()
        return units if rows is None else units[rows]

    def _rows_of(self, metric: str) -> NDArray[np.int64] | None:
        """The rows that a metric has, None for all."""
        there = (self._read(metric, "reasons", np.int32, NO_ROW) != NO_ROW).any(axis=1)
        return None if there.all() else np.flatnonzero(there)

    def classes(self, images: Any, labels: Mapping[str, str] | None = None) -> tuple[NDArray[np.int32], list[str]]:
        """`[N]` the class of some rows as a number, -1 where it is not known, and the classes; see `ScoreTable`."""
        if self.by_finding:
            codes, there = self.targets()
            return codes[images] - 1, there[1:]
        return np.asarray(self._spool.read((self._key, "classes"), np.int32))[images], list(self._classes)

    def matrix(self, metric: str) -> tuple[NDArray[np.int64], list[str], Floats]:
        """One metric: `(rows, methods, values [rows, methods])`, NaN where there is no value."""
        values = self._read(metric, "values", np.float64, np.nan)
        codes = self._read(metric, "reasons", np.int32, NO_ROW)
        there, used = (codes != NO_ROW).any(axis=1), (codes != NO_ROW).any(axis=0)
        names = [name for name, one in zip(self._methods, used, strict=False) if one]
        if not used.all():
            values = np.ascontiguousarray(values[:, used])
        rows = np.flatnonzero(there)
        return rows, names, values if len(rows) == len(there) else values[rows]

    def reasons(self, metric: str) -> tuple[Codes, list[str]]:
        """Of the same rows and methods: 0 for a value, else the number of the reason, -1 for no row; the reasons."""
        codes = self._read(metric, "reasons", np.int32, NO_ROW)
        codes = codes[:, (codes != NO_ROW).any(axis=0)]
        there = (codes != NO_ROW).any(axis=1)
        return codes if there.all() else codes[there], list(self.reasons_there)

    def _read(self, metric: str, what: str, kind: Any, blank: Any) -> NDArray[Any]:
        stored = self._spool.read((self._key, what, self._metrics[metric]), kind)
        blocks = self._blocks[metric]
        width = max(methods for _, _, methods in blocks)
        if all(methods == width for _, _, methods in blocks) and sum(rows for _, rows, _ in blocks) == self._rows:
            return stored.reshape(self._rows, width)
        found = np.full((self._rows, width), blank, kind)
        place = 0
        for first, rows, methods in blocks:
            found[first : first + rows, :methods] = stored[place : place + rows * methods].reshape(rows, methods)
            place += rows * methods
        return found

    def add(self, scores: pa.Table, predictions: pa.Table | None) -> None:
        """Takes the scores of some parts, all of this model; every image is in one of them alone."""
        image, images = _encoded(scores["image"])
        target = np.zeros(len(image), np.int64)
        if TARGET in scores.column_names:
            codes, found = _encoded(scores[TARGET])
            target = _known(self._targets, found.to_pylist())[codes]
        pair = image * (len(self._targets) + 1) + target
        _, first, row = np.unique(pair, return_index=True, return_inverse=True)
        # In the order in which they come, not in that of their numbers.
        order = np.argsort(first, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        row, first = place[row], first[order]

        codes, found = _encoded(scores["method"])
        method = _known(self._methods, found.to_pylist())[codes]
        codes, found = _encoded(scores["metric"])
        metric = _known(self._metrics, found.to_pylist())[codes]
        codes, found = _encoded(scores["reason"])
        there = {text: number for number, text in enumerate(self.reasons_there)}
        reason = _known(there, found.to_pylist())[codes].astype(np.int32)
        self.reasons_there = list(there)
        values = scores["value"].to_numpy()
        wrong = np.isnan(values) != (reason != 0)
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"a score is NaN exactly where it has a reason; that of {scores['image'][at]} has the value "
                f"{values[at]} and the reason {scores['reason'][at].as_py()!r}"
            )
        self._note_order(target, method, metric)
        names = images.take(pa.array(image[first]))
        if TARGET in scores.column_names:
            names = _pair_names(names, scores[TARGET].combine_chunks().take(pa.array(first)))
        self._names.append(names)
        key = self._key
        self._spool.add((key, "targets"), target[first].astype(np.int32))
        self._spool.add((key, "images"), self._images + image[first])
        self._spool.add((key, "classes"), self._classes_of(names, predictions))
        for number in np.unique(metric):
            chosen = metric == number
            shape = len(first), len(self._methods)
            block, why = np.full(shape, np.nan), np.full(shape, NO_ROW, np.int32)
            places = row[chosen] * len(self._methods) + method[chosen]
            if len(np.unique(places)) < len(places):
                raise InputError(
                    f"the scores have several rows of one image and method by {list(self._metrics)[number]}: keep one "
                    "row of each image, method and metric"
                )
            block[row[chosen], method[chosen]] = values[chosen]
            why[row[chosen], method[chosen]] = reason[chosen]
            self._spool.add((key, "values", int(number)), block)
            self._spool.add((key, "reasons", int(number)), why)
            self._blocks.setdefault(list(self._metrics)[number], []).append((self._rows, *shape))
        self._rows += len(first)
        self._images += len(images)
        self._combined = None

    def _note_order(self, target: Any, method: Any, metric: Any) -> None:
        combined = (target * len(self._methods) + method) * len(self._metrics) + metric
        every, first = np.unique(combined, return_index=True)
        targets, methods, metrics = list(self._targets), list(self._methods), list(self._metrics)
        for number in every[np.argsort(first, kind="stable")]:
            rest, last = divmod(int(number), len(metrics))
            name = targets[rest // len(methods)]
            named = methods[rest % len(methods)], metrics[last]
            self.order.setdefault(("", *named))
            self.order.setdefault((name, *named))

    def _classes_of(self, names: pa.Array, predictions: pa.Table | None) -> NDArray[np.int32]:
        """The true class of each row, as the table of predictions has it; -1 where it is not there."""
        nothing = np.full(len(names), -1, np.int32)
        if predictions is None or TARGET in predictions.column_names or not predictions.num_rows:
            return nothing
        codes, found = _encoded(predictions["label"])
        known = _known(self._classes, found.to_pylist())[codes]
        place = pc.fill_null(pc.index_in(names, predictions["image"].combine_chunks()), -1)
        where = np.asarray(place, np.int64)
        return np.where(where < 0, nothing, known[where].astype(np.int32))


def of_tables(parts: Iterable[tuple[pa.Table, pa.Table | None]], folder: Path | None = None) -> dict[str, Columns]:
    """{model: its scores} of some parts.

    Args:
        parts: of each part the table of scores and that of predictions.
        folder: where files may be made for what does not fit into memory; None: everything stays there.

    Returns:
        In the order in which the models first appear.
    """
    spool = Spool(folder)
    found: dict[str, Columns] = {}
    for scores, predictions in parts:
        models = scores["model"].unique().to_pylist()
        for model in models:
            own, guesses = scores, predictions
            if len(models) > 1:
                own = scores.filter(pc.equal(scores["model"], model))
            if guesses is not None and guesses.num_rows:
                guesses = guesses.filter(pc.equal(guesses["model"], model))
            found.setdefault(model, Columns(model, spool)).add(own, guesses)
    return found


def of_table(scores: pa.Table) -> dict[str, Columns]:
    """{model: its scores} of one table of all scores."""
    return of_tables([(scores, None)])


def units_of(images: pa.Array, patients: Mapping[str, Any] | None) -> NDArray[np.int64]:
    """`[N]` what images belong to, as numbers: the patient of each where it is known, else the image itself."""
    codes, names = _encoded(images)
    if not patients:
        return codes
    known: dict[Any, int] = {}
    places = [(True, patients[name]) if name in patients else (False, name) for name in names.to_pylist()]
    return np.array([known.setdefault(one, len(known)) for one in places], np.int64)[codes]


def _encoded(column: Any) -> tuple[NDArray[np.int64], pa.Array]:
    """Texts as numbers in the order of first appearance, and the texts."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    found = column.dictionary_encode()
    return np.asarray(found.indices, np.int64), found.dictionary


def _known(names: dict[str, int], found: Sequence[str]) -> NDArray[np.int64]:
    """The numbers of some names; new ones get the next number."""
    return np.array([names.setdefault(name, len(names)) for name in found], np.int64)


def _pair_names(images: pa.Array, targets: pa.Array) -> pa.Array:
    ends = pc.if_else(pc.equal(targets, ""), "", pc.binary_join_element_wise(": ", targets, ""))
    return pc.binary_join_element_wise(images, ends, "")
