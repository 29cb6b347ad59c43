"""Maps that are given: bundles as one more source of maps, next to the methods of a run (`--maps`).

A bundle's images are matched with those of the data by id, and where it has digests of pixels by those: an image of
another name with the same pixels has the same map. A bundle of one of the run's models is scored on that model, all
others on every model.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import _names
from xaijax._errors import InputError
from xaijax._runs import bundle
from xaijax._runs.bundle import Bundle
from xaijax._runs.models import Model
from xaijax.data import Dataset
from xaijax.metrics import ORACLE


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """The maps of one method of a bundle, in a run.

    Attributes:
        name: of the method in this run.
        bundle: where they are.
        method: its name there.
        models: short names of the models that they are scored on.
        own: whether they were made of that model.
        rows: position of an image in the data set -> in the bundle, for those that are in both.
    """

    name: str
    bundle: Bundle
    method: str
    models: frozenset[str]
    own: bool
    rows: Mapping[int, int] = dataclasses.field(repr=False)

    def maps(self, cases: Sequence[int], shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Raw maps and evidence `[B, H, W]` at a model's size, and `[B]` which images have a map (0 for the others)."""
        there = np.array([case in self.rows for case in cases])
        raw = np.zeros((len(cases), *shape), np.float32)
        evidence = np.zeros_like(raw)
        if there.any():
            rows = [self.rows[case] for case in cases if case in self.rows]
            stored = self.bundle.maps(self.method, rows)
            present = np.isfinite(stored).all(axis=(1, 2))
            there[np.flatnonzero(there)[~present]] = False
            raw[there] = resized(stored[present], shape)
            evidence[there] = resized(self.bundle.evidence(self.method, stored[present]), shape)
        return raw, evidence, there


def open_bundles(paths: Iterable[Path]) -> tuple[Bundle, ...]:
    """Reads and checks the bundles of a run.

    Raises:
        InputError: for one that cannot be used, or is named twice.
    """
    found: list[Bundle] = []
    for path in paths:
        one = bundle.read(path)
        if any(one.digest == other.digest for other in found):
            raise InputError(f"--maps names the bundle {path} twice; name it once")
        if one.covers != "image":
            raise InputError(
                f"the maps of {path} cover the {one.covers} of the images and whole images are needed here: make the "
                "bundle without --crop"
            )
        found.append(one)
    return tuple(found)


def take_part(
    bundles: Sequence[Bundle],
    models: Sequence[Model],
    computed: Collection[str],
    dataset: Dataset,
    cases: Sequence[int],
    notes: list[str],
    report: Callable[[float], None] | None = None,
) -> tuple[Given, ...]:
    """The methods of the bundles in a run.

    Args:
        bundles: of the run.
        models: of the run.
        computed: names of the methods that are computed.
        dataset: the data.
        cases: positions of the images of the run.
        notes: gets sentences on what was assumed or left out.
        report: called as `report(share)` while images are compared.

    Returns:
        One entry for each method of each bundle, in their order.

    Raises:
        InputError: where pixels differ, no image is in a bundle, or two bundles have one method and one name.
    """
    scored = {one.digest: _scored_on(one, models, notes) for one in bundles}
    taken = {_names.normal(name) for name in (*computed, ORACLE)}
    found: list[Given] = []
    for number, one in enumerate(bundles):
        on, own = scored[one.digest]
        rows = matched(one, dataset, cases, lambda share, at=number: report and report((at + share) / len(bundles)))  # type: ignore[misc]
        _note_missing(one, rows, len(cases), notes)
        for method in one.methods:
            key = _names.normal(method)
            rivals = (
                other
                for other in bundles
                if other is not one and scored[other.digest][0] & on and key in map(_names.normal, other.methods)
            )
            double = key in taken or any(rivals)
            name = f"{method}@{one.label}" if double else method
            if any(name == other.name and on & other.models for other in found):
                raise InputError(
                    f"two bundles of --maps are called {one.label} and both have the method {method}; rename a folder"
                )
            found.append(Given(name, one, method, on, own, rows))
        _note_sizes(one, [model for model in models if model.name in on], notes)
    return tuple(found)


def check_targets(
    given: Sequence[Given], model: Model, target: str, explained: Mapping[int, str], ids: Mapping[int, str]
) -> None:
    """Refuses maps of another class than the one that is scored.

    Args:
        given: of the run.
        model: of the run.
        target: `--target`, for the message.
        explained: position of an image -> name of the class that is scored.
        ids: position of an image -> its id.

    Raises:
        InputError: for the first bundle that explains another class of some image.
    """
    for one in {g.bundle.digest: g for g in given if model.name in g.models}.values():
        classes = one.bundle.classes
        unnamed = list(classes) == [str(number) for number in range(len(classes))]
        known = list(model.classifier.classes)
        translate = dict(zip(classes, known, strict=True)) if unnamed and len(classes) == len(known) else {}
        wrong = []
        for case, row in one.rows.items():
            said = one.bundle.targets[row]
            if said and translate.get(said, said) != explained[case]:
                wrong.append((ids[case], translate.get(said, said), explained[case]))
        if wrong:
            image, said, wanted = wrong[0]
            raise InputError(
                f"the maps of {one.bundle.path} explain {said} for image {image}, and with --target {target} {wanted} "
                f"is scored ({len(wrong)} of {len(one.rows)} images differ): give the --target of the bundle"
            )


def resized(maps: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Maps `[B, h, w]` brought to another size, bilinearly; shrinking averages first.

    Example:
        >>> resized(np.ones((1, 4, 4)), (2, 2)).tolist()
        [[[1.0, 1.0], [1.0, 1.0]]]
    """
    if maps.shape[1:] == tuple(shape) or not len(maps):
        return maps.reshape(len(maps), *shape)
    from skimage.transform import resize

    shrinks = maps.shape[1] > shape[0] or maps.shape[2] > shape[1]
    options: dict[str, Any] = {"order": 1, "mode": "edge", "anti_aliasing": shrinks, "preserve_range": True}
    return np.stack([resize(one.astype(np.float64), tuple(shape), **options) for one in maps]).astype(np.float32)


def _scored_on(one: Bundle, models: Sequence[Model], notes: list[str]) -> tuple[frozenset[str], bool]:
    """Short names of the models that a bundle is scored on, and whether it was made of them."""
    digest = one.model.get("digest")
    own = frozenset(model.name for model in models if model.digest == digest)
    if own:
        return own, True
    if digest:
        name = one.model.get("name", "another model")
        notes.append(
            f"The maps of {one.label} were made of a model with other parameters ({name}, {digest}): their scores say "
            "how well they fit the models of this run."
        )
    return frozenset(model.name for model in models), False


def matched(one: Bundle, dataset: Dataset, cases: Sequence[int], report: Callable[[float], Any]) -> dict[int, int]:
    """Which images of the data a bundle has maps of.

    Args:
        one: the bundle.
        dataset: the data.
        cases: positions of the images of the run.
        report: called as `report(share)` while images are compared.

    Returns:
        {position of an image in the data set: in the bundle}.

    Raises:
        InputError: where pixels differ, or no image is in the bundle.
    """
    by_id = {image: row for row, image in enumerate(one.images)}
    by_pixels = {digest: row for row, digest in reversed(list(enumerate(one.pixels))) if digest}
    rows: dict[int, int] = {}
    for number, case in enumerate(cases):
        image = dataset.cases[case].id
        row = by_id.get(image)
        wanted = "" if row is None else one.pixels[row]
        if wanted or (row is None and by_pixels):
            seen = dataset.cases[case].source.fingerprint()
            if wanted and seen != wanted:
                raise InputError(
                    f"image {image} of the bundle {one.path} has other pixels than {image} of the data: it is another "
                    "image, or was read with other options (--window, --transpose)"
                )
            row = row if row is not None else by_pixels.get(seen)
        if row is not None:
            rows[case] = row
        report((number + 1) / len(cases))
    if not rows:
        raise InputError(
            f"no image of the bundle {one.path} is among those of this run: it has {one.images[0]} and the data have "
            f"{dataset.cases[cases[0]].id}, for example"
        )
    return rows


def _note_missing(one: Bundle, rows: Mapping[int, int], count: int, notes: list[str]) -> None:
    if len(rows) < count:
        notes.append(f"The bundle {one.label} has no maps of {count - len(rows)} of the {count} images.")
    if not any(one.targets):
        notes.append(
            f"The bundle {one.label} does not say which class its maps explain: taken as the one that is scored."
        )
    if not any(one.pixels):
        notes.append(f"The bundle {one.label} has no digests of pixels: its images were matched by their ids alone.")


def _note_sizes(one: Bundle, models: Sequence[Model], notes: list[str]) -> None:
    sizes = {entry.shape[1:] for entry in one.methods.values()}
    for model in models:
        wanted = tuple(model.classifier.input_shape[:2])
        other = sorted(size for size in sizes if size != wanted)
        if wanted[0] != wanted[1] and (wanted[1], wanted[0]) in sizes:
            raise InputError(
                f"the maps of {one.path} are {wanted[1]} x {wanted[0]} and the images of model {model.name} "
                f"{wanted[0]} x {wanted[1]} (H, W): rows and columns are swapped; write the maps as [N, H, W]"
            )
        if other:
            listed = ", ".join(f"{h} × {w}" for h, w in other)
            notes.append(
                f"Maps of {one.label} ({listed}) were brought to the {wanted[0]} × {wanted[1]} of model {model.name}, "
                "bilinearly."
            )
