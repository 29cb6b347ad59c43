"""What is known of images and clusters: columns, where the evidence of a cluster lies, and on what.

A cluster is described by the mean of its maps as distributions (`xaijax.clusters.grouping`): the share of evidence in
each part of the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax.clusters.enrichment import LEAST, Column
from xaijax.clusters.store import Kept
from xaijax.data import Dataset

DENSE = 3.0
"""A cluster lies on what masks outline where more than half of its images have such masks, and its evidence is at least
this many times as dense there as everywhere."""
HOLDS = 0.25
"""What every image has may lie under the evidence by chance: then the masks must hold this share of the evidence."""
FRAME = 1 / 8
"""The border of an image is the frame of this share of its sides."""
BORDERING = 2 / 3
"""A cluster lies at the border where the frame holds this share of its evidence or more; it has 7/16 of the area."""
PLACES = (("top left", "top", "top right"), ("left", "middle", "right"), ("bottom left", "bottom", "bottom right"))
SHOWN, ABSENT = "shown", "absent"


def columns(dataset: Dataset, cases: Sequence[int], kept: Kept) -> list[Column]:
    """Everything that is known of the images, in the order of the report.

    Args:
        dataset: the data.
        cases: positions of the images.
        kept: of their maps.
    """
    answers = kept.answers
    found = [Column("class", tuple(answers.label), "class")]
    if any(answers.predicted):
        found.append(Column("predicted class", tuple(answers.predicted), "predicted"))
        right = (
            "" if not guess else "right" if guess == label else "wrong"
            for guess, label in zip(answers.predicted, answers.label, strict=True)
        )
        found.append(Column("prediction", tuple(right), "right"))
    extra = [dataset.cases[case].extra for case in cases]
    planted = {name.partition(":")[0] for name in dataset.options.get("cues", ())}
    names = list(dict.fromkeys(name for one in extra for name in one))
    for name in names:
        if name.endswith(" agrees") and name.partition(" ")[0] in planted:
            continue  # follows from the cue and the class
        kind = "artefact" if name.rstrip(" 0123456789") in planted else "other"
        found.append(Column(name, tuple(str(one.get(name, "")).strip() for one in extra), kind))
    for name in dict.fromkeys(name for one in kept.artefacts for name in one):
        if name not in names:  # a planted cue has a column already
            shown = tuple(SHOWN if name in one else ABSENT for one in kept.artefacts)
            found.append(Column(name, shown, "artefact"))
    groups = tuple(dataset.cases[case].group or "" for case in cases)
    if any(groups):
        found.append(Column("patient", groups, "patient"))
    return found


@dataclass(frozen=True)
class Lying:
    """How the evidence of a cluster lies to the masks of a role.

    Attributes:
        role: lesion, organ or artefact.
        images: of the cluster that have such a mask.
        of: images of the cluster.
        inside: mean share of the evidence inside the masks of those images; NaN without any.
        area: mean share of their area.
    """

    role: str
    images: int
    of: int
    inside: float
    area: float

    @property
    def density(self) -> float:
        """How many times as dense the evidence is there as everywhere; NaN without masks."""
        return self.inside / self.area if self.area > 0 else float("nan")

    @property
    def on_it(self) -> bool:
        """Whether the cluster lies on it."""
        return self.images >= LEAST and 2 * self.images > self.of and self.density >= DENSE


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        number: from 0, the largest first.
        positions: of its images, among those that are clustered.
        mean: `[h, w]` the mean of its maps as distributions.
        place: the ninth of the image that holds most of its evidence, in words.
        border: share of its evidence in the frame of an eighth of the sides.
        lying: of each role of masks.
        right: share of its images that are predicted right; NaN where that is not known.
        silhouette: mean of its images.
    """

    number: int
    positions: np.ndarray
    mean: np.ndarray
    place: str
    border: float
    lying: Mapping[str, Lying]
    right: float
    silhouette: float

    @property
    def bordering(self) -> bool:
        """Whether it lies at the border of the image; a few images may do so by chance."""
        return len(self.positions) >= LEAST and self.border >= BORDERING

    def row(self, total: int) -> dict[str, Any]:
        """As JSON values; clusters count from 1."""
        found: dict[str, Any] = {
            "cluster": self.number + 1,
            "images": len(self.positions),
            "share": len(self.positions) / total,
            "place": self.place,
            "border_evidence": self.border,
            "predicted_right": _none(self.right),
            "silhouette": _none(self.silhouette),
        }
        for role, one in self.lying.items():
            found |= {
                f"{role}_images": one.images,
                f"{role}_evidence": _none(one.inside),
                f"{role}_area": _none(one.area),
            }
        return found


def clusters(labels: np.ndarray, maps: np.ndarray, kept: Kept, silhouettes: np.ndarray) -> list[Cluster]:
    """The clusters, described.

    Args:
        labels: `[N]` the cluster of each image, from 0.
        maps: `[N, h, w]` as distributions, on the grid of `kept`.
        kept: of the same images.
        silhouettes: `[N]`.
    """
    known = np.array([bool(guess) for guess in kept.answers.predicted])
    right = np.array(kept.answers.predicted) == np.array(kept.answers.label)
    inside = np.einsum("nij,nrij->nr", maps, kept.cover)
    area = kept.cover.mean(axis=(2, 3))
    found = []
    for number in range(int(labels.max()) + 1):
        own = np.flatnonzero(labels == number)
        mean = maps[own].mean(axis=0)
        lying = {}
        for place, role in enumerate(kept.roles):
            having = own[kept.there[own, place]]
            means = (inside[having, place].mean(), area[having, place].mean()) if len(having) else (np.nan, np.nan)
            lying[role] = Lying(role, len(having), len(own), float(means[0]), float(means[1]))
        said = own[known[own]]
        found.append(
            Cluster(
                number,
                own,
                mean,
                place_of(mean),
                border_of(mean),
                lying,
                float(right[said].mean()) if len(said) else float("nan"),
                float(silhouettes[own].mean()),
            )
        )
    return found


def place_of(mean: np.ndarray) -> str:
    """The ninth of the image with the most evidence, in words.

    Example:
        >>> place_of(np.eye(9)[:, ::-1] * np.arange(9))
        'top right'
    """
    height, width = mean.shape
    rows, columns = np.arange(height) * 3 // height, np.arange(width) * 3 // width
    sums = np.zeros((3, 3))
    np.add.at(sums, (rows[:, None], columns[None, :]), mean)
    row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return PLACES[row][column]


def border_of(mean: np.ndarray) -> float:
    """The share of the evidence in the frame of an eighth of the sides.

    Example:
        >>> border_of(np.ones((16, 16)) / 256)
        0.4375
    """
    inner = []
    for side in mean.shape:
        edges = np.linspace(0, 1, side + 1)
        # A cell that the edge of the frame cuts counts by the part that lies inside.
        shared = np.minimum(edges[1:], 1 - FRAME) - np.maximum(edges[:-1], FRAME)
        inner.append(np.clip(shared * side, 0, 1))
    total = float(mean.sum())
    return 1.0 - float(inner[0] @ mean @ inner[1]) / total if total > 0 else float("nan")


def _none(value: float) -> float | None:
    return None if value != value else float(value)
