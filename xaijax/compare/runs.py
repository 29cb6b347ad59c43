"""A run as a comparison reads it, and which of its images are those of another run."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from xaijax._errors import InputError
from xaijax.bench import calibrated, groups
from xaijax.bench.store import Store
from xaijax.metrics import METRICS

KINDS = ("run", "report")


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One run.

    Attributes:
        name: of its folder, with parts of its path where two runs have one name.
        path: of its folder.
        values: the contents of run.json.
        scores: of all finished parts.
        digests: image -> of its pixels, masks and label; empty where the run does not keep them.
        patients: image -> its patient, as far as the data say it.
        unknown: metrics of the run that this version does not have; `values` is without them.
        believed: model -> the metrics that its calibration supports; models that were not calibrated are not in it.
    """

    name: str
    path: Path
    values: Mapping[str, Any]
    scores: pa.Table
    digests: Mapping[str, str]
    patients: Mapping[str, str]
    believed: Mapping[str, Sequence[str]]
    unknown: Sequence[str] = ()

    @property
    def models(self) -> list[str]:
        """Short names of the models that were explained."""
        return [model["name"] for model in self.values["models"]]

    @property
    def images(self) -> list[str]:
        """The images with scores."""
        return list(dict.fromkeys(self.scores["image"].to_pylist()))


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """Reads the runs to compare.

    Raises:
        InputError: for fewer than two, for a folder that is named twice, and for one without scores.
    """
    if len(paths) < 2:
        raise InputError("give two run folders or more to compare")
    resolved = [path.expanduser().resolve() for path in paths]
    for place, path in enumerate(resolved):
        if path in resolved[:place]:
            raise InputError(f"the run {paths[place]} is named twice: name each run once")
    return [_open(path, name) for path, name in zip(resolved, _names(resolved), strict=True)]


def _open(path: Path, name: str) -> Run:
    if not path.is_dir():
        raise InputError(f"{path} is {'a file' if path.exists() else 'not there'}: give the folder of a run")
    store = Store(path)
    values = store.read_run()
    if values.get("kind", "run") not in KINDS or "metrics" not in values:
        raise InputError(f"{path} holds a {values.get('kind', 'folder')} and no run of xaijax bench")
    if not store.any_finished():
        raise InputError(f"the run in {path} has no finished part: resume it with --resume before it is compared")
    unknown = [metric for metric in values["metrics"] if metric not in METRICS]  # of another version of the package
    values = values | {"metrics": [metric for metric in values["metrics"] if metric in METRICS]}
    data = values["data"]
    digests = dict(zip(data["images"], data.get("digests", ()), strict=False))
    judged = calibrated.read(path, values)
    believed = {model: one.believed for model, one in judged.items() if one.source}
    patients = groups.patients(store.groups())
    if not patients:  # of a run that kept their numbers alone
        patients = {image: str(one) for image, one in zip(data["images"], data.get("patients", ()), strict=False)}
    return Run(name, path, values, store.scores(), digests, patients, believed, unknown)


def _names(paths: Sequence[Path]) -> list[str]:
    """As few last parts of each path as tell them apart.

    Example:
        >>> _names([Path("/a/x/run"), Path("/a/y/run")])
        ['x/run', 'y/run']
    """
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


@dataclasses.dataclass(frozen=True)
class Matched:
    """Which images two runs share.

    Attributes:
        pairs: (image of the first run, image of the second), of the same content.
        by: `"content"`, or `"name"` where a run keeps no digests.
        changed: images of one name and different content, which are not compared.
        only: images of the first run and of the second alone, those of `changed` included.
    """

    pairs: tuple[tuple[str, str], ...]
    by: str
    changed: int
    only: tuple[int, int]


def match(first: Run, second: Run) -> Matched:
    """Pairs the images of two runs: by the digest of what a score depends on, and by name where there is none."""
    ours, theirs = first.images, second.images
    if not first.digests or not second.digests:
        known = set(theirs)
        same = tuple((image, image) for image in ours if image in known)
        return Matched(same, "name", 0, (len(ours) - len(same), len(theirs) - len(same)))
    places: dict[str, list[str]] = {}
    for image in theirs:
        places.setdefault(second.digests.get(image, ""), []).append(image)
    pairs = []
    # Of images that are stored twice the ones of the same name belong together.
    for image in sorted(ours, key=lambda one: first.digests.get(one, "") != second.digests.get(one)):
        rest = places.get(first.digests.get(image, "-"), [])
        if rest:
            other = image if image in rest else rest[0]
            rest.remove(other)
            pairs.append((image, other))
    order = {image: place for place, image in enumerate(ours)}
    pairs.sort(key=lambda pair: order[pair[0]])
    taken = {image for image, _ in pairs}
    changed = sum(1 for image in set(ours) & set(theirs) - taken if image not in taken)
    return Matched(tuple(pairs), "content", changed, (len(ours) - len(pairs), len(theirs) - len(pairs)))
