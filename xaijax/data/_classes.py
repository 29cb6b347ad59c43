"""A data set with some of its classes; the files of the others are counted as left out."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from xaijax._names import match_all
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import EXAMPLES, Found, LeftOut
from xaijax.data.masks import MaskFile

OTHER_CLASS = "it is of a class that was not asked for (--classes)"


def choose_classes(dataset: Dataset, wanted: Sequence[str]) -> Dataset:
    """The data set with these classes alone, in the data set's order of classes; all where none is named."""
    if not wanted:
        return dataset
    names = match_all("class", wanted, dataset.classes)
    kept = [at for at, name in enumerate(dataset.classes) if name in names]
    position = {old: new for new, old in enumerate(kept)}
    if dataset.multi_label:
        cases = tuple(
            replace(case, findings=tuple(case.findings[at] for at in kept))
            for case in dataset.cases
            if case.findings is not None
        )
    else:
        cases = tuple(replace(case, label=position[case.label]) for case in dataset.cases if case.label in position)
    found = dataset.found
    if found is not None and len(cases) < len(dataset):
        kept_ids = {case.id for case in cases}
        found = _without(found, cases, [case for case in dataset.cases if case.id not in kept_ids])
    return replace(dataset, classes=tuple(dataset.classes[at] for at in kept), cases=cases, found=found)


def _without(found: Found, kept: Sequence[Case], dropped: Sequence[Case]) -> Found:
    """What was found, with the files of dropped cases counted as left out; cases that are no files of their own (rows
    of arrays) become a note."""
    taken = dict(found.taken)
    files_of = {"image": [case.id for case in dropped]}
    if taken.get("image", 0) < len(dropped):
        sentence = f"{len(dropped)} images of other classes were left out, as --classes says."
        return replace(found, notes=(*found.notes, sentence))
    for at, kinds in enumerate((("mask",), ("image without artefacts", "clean image"))):
        used = {name for case in kept for name in _further(case)[at]}
        names = sorted({name for case in dropped for name in _further(case)[at]} - used)
        for kind in kinds:
            if names and 0 < len(names) <= taken.get(kind, 0):
                files_of[kind] = names
    for kind, names in files_of.items():
        taken[kind] -= len(names)
    count = sum(map(len, files_of.values()))
    left = {**found.left_out, OTHER_CLASS: LeftOut(count, tuple(files_of["image"][:EXAMPLES]))}
    return replace(
        found,
        taken=MappingProxyType({kind: count for kind, count in taken.items() if count}),
        left_out=MappingProxyType(dict(sorted(left.items(), key=lambda one: -one[1].count))),
    )


def _further(case: Case) -> tuple[list[str], list[str]]:
    """The mask files of a case that are there, and the twin without artefacts."""
    image = case.source
    if not isinstance(image, ImageFile):
        return [], []
    named = [entry.path if isinstance(entry, MaskFile) else entry for _, entry in image.masks]
    masks = [str(name) for name in named if isinstance(name, str | Path) and os.path.lexists(name)]
    clean = [] if image.clean is None or not os.path.lexists(image.clean) else [str(image.clean)]
    return masks, clean
