"""The conclusion in sentences: which cluster points at a shortcut, and by what.

A cluster is named by the first of these that holds for it:

    cue         it lies on an artefact that its images carry more often than others
    artefact    it lies on artefacts, which the other images have as often
    column      its images share a value of a column of the table or a patient, and the class does not explain that
    border      it lies at the border of the image, where no lesion masks are
    carried     its images carry an artefact more often than others, but its evidence lies elsewhere
    wrong       its images are predicted wrongly more often than others
    class       its images are of one class more often than others
    place       its place alone
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xaijax.clusters.describing import ABSENT, HOLDS, SHOWN, Cluster
from xaijax.clusters.enrichment import SIGNIFICANT, Test

KINDS = ("cue", "artefact", "column", "border", "carried", "wrong", "class", "place")
SHORTCUTS = KINDS[:4]
"""Kinds that point at a shortcut."""


@dataclass(frozen=True)
class Finding:
    """What a cluster points at.

    Attributes:
        cluster: its number, from 0.
        kind: one of `KINDS`.
        sentence: about it.
        test: the test that decided, if one did.
    """

    cluster: int
    kind: str
    sentence: str
    test: Test | None = None

    @property
    def shortcut(self) -> bool:
        """Whether it points at a shortcut."""
        return self.kind in SHORTCUTS


def findings(clusters: Sequence[Cluster], tests: Sequence[Test], total: int) -> list[Finding]:
    """One finding per cluster, those that point at a shortcut first."""
    found = [_finding(one, [test for test in tests if test.cluster == one.number], total) for one in clusters]

    def order(one: Finding) -> tuple[int, float, int]:
        return KINDS.index(one.kind), one.test.q if one.test else 1.0, one.cluster

    return sorted(found, key=order)


def headline(found: Sequence[Finding], total: int) -> str:
    """One sentence for the whole run."""
    first = found[0]
    if first.shortcut:
        return first.sentence
    tied = [one for one in found if one.kind != "place"]
    by = "by the place of their evidence" + (" and by class" if any(one.kind == "class" for one in tied) else "")
    return f"No cluster points at a shortcut: the {len(found)} clusters of {total} images differ {by}."


def _finding(one: Cluster, tests: Sequence[Test], total: int) -> Finding:
    name = f"Cluster {one.number + 1} ({percent(len(one.positions) / total)} of the images)"
    held = [test for test in tests if test.significant]

    def best(kind: str) -> Test | None:
        own = [test for test in held if test.kind == kind and test.value not in (ABSENT, "right")]
        return min(own, key=lambda test: (test.q, -test.share), default=None)

    artefact, lying = best("artefact"), one.lying.get("artefact")
    on_it = lying is not None and lying.on_it
    if artefact is not None and on_it:
        return Finding(one.number, "cue", f"{name} lies where {_thing(artefact)} is: {_shares(artefact)}.", artefact)
    if on_it and lying is not None and lying.inside >= HOLDS:
        text = (
            f"{name} lies on artefacts: they hold {percent(lying.inside)} of its evidence and take "
            f"{percent(lying.area)} of the area of the {lying.images} images that have them."
        )
        return Finding(one.number, "artefact", text)
    named = [test for test in (best("other"), best("patient")) if test is not None]
    column = min(named, key=lambda test: (test.q, -test.share), default=None)
    by_class = best("class")
    if column is not None and (by_class is None or column.q < by_class.q):
        text = f"{name} is of {column.column} {column.value}: {_shares(column)}; its evidence lies {_at(one)}."
        return Finding(one.number, "column", text, column)
    lesion = one.lying.get("lesion")
    if one.bordering and not (lesion is not None and lesion.on_it):
        text = (
            f"{name} lies at the border of the image, {_at(one)}: the outer eighth of each side holds "
            f"{percent(one.border)} of its evidence and 44 % of the area."
        )
        return Finding(one.number, "border", text, by_class)
    if artefact is not None:
        text = f"{name} carries {_thing(artefact)} more often ({_shares(artefact)}), but lies elsewhere, {_at(one)}."
        return Finding(one.number, "carried", text, artefact)
    wrong = best("right")
    if wrong is not None:
        text = f"{name} is predicted wrongly more often: {_shares(wrong)}; its evidence lies {_at(one)}."
        return Finding(one.number, "wrong", text, wrong)
    on_lesion = " and is dense on the lesion" if lesion is not None and lesion.on_it else ""
    if by_class is not None:
        text = f"{name} is of class {by_class.value}: {_shares(by_class)}; its evidence lies {_at(one)}{on_lesion}."
        return Finding(one.number, "class", text, by_class)
    predicted = best("predicted")  # with the true class no more frequent than elsewhere
    tied = "no column is tied to it" if predicted is None else f"predicted as {predicted.value}: {_shares(predicted)}"
    return Finding(one.number, "place", f"{name}: its evidence lies {_at(one)}{on_lesion}; {tied}.", predicted)


def percent(share: float) -> str:
    """A share in whole per cent; what is not 0 or all is not rounded to it.

    Example:
        >>> percent(0.974), percent(0.001), percent(0.999)
        ('97 %', 'under 1 %', 'over 99 %')
    """
    if share != share:
        return "–"
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def q_text(q: float) -> str:
    """A corrected p-value for people.

    Example:
        >>> q_text(0.00001), q_text(0.0312), q_text(0.2)
        ('q < 0.001', 'q = 0.031', 'q = 0.20')
    """
    if q < 0.001:
        return "q < 0.001"
    return f"q = {q:.3f}" if q < SIGNIFICANT else f"q = {q:.2f}"


def _thing(test: Test) -> str:
    return f"the {test.column}" if test.value == SHOWN else f"the {test.column} “{test.value}”"


def _shares(test: Test) -> str:
    verb = {"artefact": " carry it", "right": " are wrong"}.get(test.kind, "")
    outside = f", {percent(test.share_outside)} of the others" if test.others else ""
    return f"{percent(test.share)} of its images{verb}{outside} ({q_text(test.q)})"


def _at(one: Cluster) -> str:
    return "in the middle" if one.place == "middle" else f"at the {one.place}"
