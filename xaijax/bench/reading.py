"""A run folder read once, part by part: the scores in columns, what the models predicted, and where the rest is."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from xaijax._runs.answers import Pairs
from xaijax.bench import curves
from xaijax.bench.columns import Columns, of_tables
from xaijax.bench.store import TARGET, Store, together

AT_ONCE = 128
"""Parts that are read at once."""


@dataclasses.dataclass(frozen=True)
class Read:
    """What the parts of a run hold.

    Attributes:
        models: {model: its scores}, with the curves behind them.
        right: {model: (images it classifies right, images)}; of findings those that are known.
        answers: {model: {(label, predicted class): images}}; without the models of findings.
        curves: {model: parts whose curves are read}.
        responses: {model: parts whose responses are read}.
        gallery: parts with images for the figures.
        predicted: names of the images in all parts; empty unless they are asked for.
    """

    models: Mapping[str, Columns]
    right: Mapping[str, tuple[int, int]]
    answers: Mapping[str, Pairs]
    curves: Mapping[str, Sequence[str]]
    responses: Mapping[str, Sequence[str]]
    gallery: Sequence[str]
    predicted: pa.Array


def read(store: Store, *, predicted: bool = False) -> Read:
    """Reads a run.

    Args:
        store: its folder.
        predicted: whether the names of all images are wanted.

    Raises:
        InputError: for a part that is not as it was written.
    """
    right: dict[str, tuple[int, int]] = {}
    answers: dict[str, Counter[tuple[str, str]]] = {}
    behind: dict[str, dict[str, list[str]]] = {"curves": {}, "responses": {}}
    gallery: list[str] = []
    names: list[pa.Array] = []

    def chunks() -> Iterator[tuple[pa.Table, pa.Table | None]]:
        every = store.parts()
        while parts := list(itertools.islice(every, AT_ONCE)):
            guesses = together(parts, "predictions")
            _count(guesses, right, answers)
            if predicted and guesses.num_rows:
                names.append(guesses["image"].combine_chunks())
            gallery.extend(part.name for part in parts if part.has("gallery"))
            # One model after the other: the name of a part begins with the number of its model.
            for _, group in itertools.groupby(parts, lambda part: part.name.partition("-")[0]):
                own = list(group)
                scores = together(own, "scores")
                for model in scores["model"].unique().to_pylist():
                    for folder, found in behind.items():
                        found.setdefault(model, []).extend(part.name for part in own if part.has(folder))
                yield scores, guesses

    models = of_tables(chunks(), store.root)
    kept = {
        folder: {model: curves.sampled(own, models[model].images_there) for model, own in found.items()}
        for folder, found in behind.items()
    }
    for model, own in kept["curves"].items():
        table = curves.table_of(store, own, "curves", model)
        models[model].curves = curves.without_points(table)
        if own != behind["curves"][model]:
            models[model].curve_images = len(table["image"].unique())
    every = pa.concat_arrays(names).unique() if names else pa.array([], pa.string())
    return Read(models, right, answers, kept["curves"], kept["responses"], gallery, every)


def _count(guesses: pa.Table, right: dict[str, tuple[int, int]], answers: dict[str, Counter[tuple[str, str]]]) -> None:
    """Adds how many images of a part are classified right, and as what."""
    findings = TARGET in guesses.column_names
    if findings:
        guesses = guesses.filter(pc.not_equal(guesses["label"], "unknown"))
    model = guesses["model"].combine_chunks()
    good = pc.equal(guesses["label"], guesses["predicted"])
    for one in model.unique():
        own = pc.equal(model, one)
        before = right.get(one.as_py(), (0, 0))
        hits, total = pc.sum(pc.and_(own, good)).as_py() or 0, pc.sum(own).as_py() or 0
        right[one.as_py()] = before[0] + hits, before[1] + total
    keys = ["model", "label", "predicted"]
    counts = guesses.group_by(keys).aggregate([([], "count_all")])
    for row in [] if findings else counts.to_pylist():
        answers.setdefault(row["model"], Counter())[row["label"], row["predicted"]] += row["count_all"]
