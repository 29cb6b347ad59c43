"""The maps of a run clustered, described and tested."""

import dataclasses

import numpy as np

from xaijax._errors import InputError
from xaijax.clusters import describing, enrichment, grouping
from xaijax.clusters.describing import Cluster
from xaijax.clusters.enrichment import Column, Test
from xaijax.clusters.grouping import Spectrum
from xaijax.clusters.plan import FEWEST, Answers, Work
from xaijax.clusters.store import Kept


@dataclasses.dataclass(frozen=True)
class Made:
    """A clustering with all that is written of it.

    Attributes:
        ids: `[N]` images whose map has positive evidence.
        kept: of these images.
        maps: `[N, h, w]` of these images as distributions.
        labels: `[N]` clusters, from 0.
        points: `[N, 2]` places in the figure.
        silhouettes: `[N]`.
        columns: what is known of the images.
        left: columns that are not tested, and why.
        clusters: described.
        tests: of all columns.
        typical: of each cluster positions of its prototypes.
        spectrum: of the affinity.
        empty: the other images.
    """

    ids: list[str]
    kept: Kept
    maps: np.ndarray
    labels: np.ndarray
    points: np.ndarray
    silhouettes: np.ndarray
    columns: list[Column]
    left: dict[str, str]
    clusters: list[Cluster]
    tests: list[Test]
    typical: list[np.ndarray]
    spectrum: Spectrum
    empty: list[str]


def analyse(work: Work, kept: Kept) -> Made:
    """Clusters maps and tests what their images have in common.

    Args:
        work: what was requested.
        kept: of all images.

    Raises:
        InputError: where too few maps have positive evidence.
    """
    maps, there = grouping.distributions(kept.maps)
    if there.sum() < FEWEST:
        raise InputError(
            f"the maps of {work.method} have positive evidence in {int(there.sum())} of {len(there)} images, and "
            f"clusters need at least {FEWEST}: choose another method or --target"
        )
    config, maps, kept = work.config, maps[there], _at(kept, there)
    features = grouping.features(maps, config.grid)
    # Maps of different classes lie apart anyway: a shortcut is a cluster more.
    classes = {explained or label for explained, label in zip(kept.answers.explained, kept.answers.label, strict=True)}
    spectrum = grouping.spectrum(features, least=len(classes) + 1)
    labels = grouping.cluster(spectrum, config.clusters or spectrum.clusters, seed=config.seed)
    silhouettes = grouping.silhouettes(features, labels)
    cases = [case for case, one in zip(work.cases, there, strict=True) if one]
    columns = describing.columns(work.dataset, cases, kept)
    usable, left = enrichment.usable(columns)
    return Made(
        ids=[work.dataset.cases[case].id for case in cases],
        kept=kept,
        maps=maps,
        labels=labels,
        points=grouping.embed(features, spectrum, config.embedding, seed=config.seed),
        silhouettes=silhouettes,
        columns=columns,
        left=left,
        clusters=describing.clusters(labels, maps, kept, silhouettes),
        tests=enrichment.enrichment(labels, usable),
        typical=grouping.prototypes(features, labels, config.prototypes),
        spectrum=spectrum,
        empty=[work.dataset.cases[case].id for case, one in zip(work.cases, there, strict=True) if not one],
    )


def _at(kept: Kept, rows: np.ndarray) -> Kept:
    """The images of some rows."""
    answers = Answers(
        *(
            [text for text, one in zip(texts, rows, strict=True) if one]
            for texts in (kept.answers.label, kept.answers.predicted, kept.answers.explained)
        )
    )
    artefacts = tuple(names for names, one in zip(kept.artefacts, rows, strict=True) if one)
    return Kept(kept.maps[rows], kept.roles, kept.cover[rows], kept.there[rows], artefacts, answers)
