"""What the images of a cluster have in common: which class, site, scanner, patient or cue is frequent in it.

For each cluster and each value of each column: of N images of which the column is known, K have the value and n are in
the cluster, k of them with the value. The p-value is Fisher's, one-sided: the chance of k or more among n drawn without
replacement, `P(X >= k)`, X hypergeometric. All tests of a run are corrected together (Benjamini and Hochberg).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xaijax.metrics.statistics import benjamini_hochberg

VALUES = 20
"""A column of more different values says something else of nearly every image and is left out; patients are not."""
LEAST = 5
"""A value of fewer images cannot be frequent in a cluster and is left out."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Column:
    """Something that is known of images.

    Attributes:
        name: as the report calls it: "class", "site", "marker".
        values: `[N]` texts, `""` where it is not known.
        kind: `"class"`, `"predicted"`, `"right"`, `"artefact"` (something that lies in the image and is none of its
            anatomy), `"patient"` or `"other"` (a column of the data's table).
    """

    name: str
    values: tuple[str, ...] = field(repr=False)
    kind: str = "other"


@dataclass(frozen=True)
class Test:
    """One value of one column in one cluster.

    Attributes:
        cluster: its number, from 0.
        column: name of the column.
        kind: of the column.
        value: of the column.
        inside: images of the cluster with the value.
        size: images of the cluster of which the column is known.
        outside: images of the other clusters with the value.
        others: images of the other clusters of which the column is known.
        p: Fisher's p-value, one-sided.
        q: corrected over all tests of the run.
    """

    cluster: int
    column: str
    kind: str
    value: str
    inside: int
    size: int
    outside: int
    others: int
    p: float
    q: float = float("nan")

    @property
    def share(self) -> float:
        """Of the images of the cluster that have the value."""
        return self.inside / self.size

    @property
    def share_outside(self) -> float:
        """Of the other images; NaN where there are none."""
        return self.outside / self.others if self.others else float("nan")

    @property
    def significant(self) -> bool:
        """Whether the value is frequent in the cluster."""
        return self.q < SIGNIFICANT

    def row(self) -> dict[str, Any]:
        """As a row of `enrichment.csv`; clusters count from 1."""
        return {
            "cluster": self.cluster + 1,
            "column": self.column,
            "value": self.value,
            "images": self.inside,
            "of": self.size,
            "share": self.share,
            "other_images": self.outside,
            "other_of": self.others,
            "other_share": self.share_outside,
            "p": self.p,
            "q": self.q,
        }


def usable(columns: Sequence[Column]) -> tuple[list[Column], dict[str, str]]:
    """The columns that can be tested, and of the others why not.

    Example:
        >>> rows = [Column("site", ("A", "B") * 6), Column("age", tuple(map(str, range(12))))]
        >>> kept, left = usable(rows)
        >>> [column.name for column in kept], left
        (['site'], {'age': 'no value of 5 images or more'})
    """
    kept: list[Column] = []
    left: dict[str, str] = {}
    for column in columns:
        counts = _counts(column)
        if len(counts) < 2:
            left[column.name] = "one value for all images" if counts else "not known of any image"
        elif max(counts.values()) < LEAST:
            left[column.name] = f"no value of {LEAST} images or more"
        elif len(counts) > VALUES and column.kind != "patient":
            left[column.name] = f"{len(counts)} different values, more than {VALUES}"
        else:
            kept.append(column)
    return kept, left


def enrichment(labels: np.ndarray, columns: Sequence[Column]) -> list[Test]:
    """All tests of a run.

    Args:
        labels: `[N]` the cluster of each image, from 0.
        columns: what is known of the images; see `usable`.

    Returns:
        For each cluster its tests, the smallest q first, then the largest difference of the shares.

    Example:
        >>> tests = enrichment(np.repeat([0, 1], 10), [Column("site", ("A",) * 10 + ("B",) * 10)])
        >>> tests[0].value, tests[0].share, round(tests[0].p, 8)
        ('A', 1.0, 5.41e-06)
    """
    from scipy.stats import hypergeom

    found: list[Test] = []
    for column in columns:
        values = np.array(column.values)
        known = values != ""
        for value, images in _counts(column).items():
            if images < LEAST:
                continue
            has = values == value
            for number in range(int(labels.max()) + 1):
                own = (labels == number) & known
                size, inside = int(own.sum()), int((own & has).sum())
                if not size:
                    continue
                # Of all images, those with the value, those in the cluster: the upper tail, k itself included.
                p = float(hypergeom.sf(inside - 1, int(known.sum()), images, size))
                others = int(known.sum()) - size
                found.append(
                    Test(number, column.name, column.kind, value, inside, size, images - inside, others, min(p, 1.0))
                )
    if not found:
        return []
    corrected = benjamini_hochberg([test.p for test in found])
    tests = [Test(**{**vars(test), "q": float(q)}) for test, q in zip(found, corrected, strict=True)]
    return sorted(tests, key=lambda test: (test.cluster, test.q, -(test.share - np.nan_to_num(test.share_outside))))


def _counts(column: Column) -> Mapping[str, int]:
    values, counts = np.unique([value for value in column.values if value], return_counts=True)
    return {str(value): int(count) for value, count in zip(values, counts, strict=True)}


def describe(labels: np.ndarray, tests: Sequence[Test], left: Mapping[str, str]) -> dict[str, Any]:
    """What `clusters.json` says of the tests."""
    return {
        "tests": len(tests),
        "significant": sum(test.significant for test in tests),
        "correction": "Benjamini and Hochberg, over all tests",
        "columns": list(dict.fromkeys(test.column for test in tests)),
        "left_out": dict(left),
        "images": len(labels),
    }
