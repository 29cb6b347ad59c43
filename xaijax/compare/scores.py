"""Differences between the scores of two runs, with intervals: paired where the images are the same."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from xaijax._errors import InputError
from xaijax.bench.conclusion import FEWEST as ENOUGH
from xaijax.compare.columns import Column, columns_of, paired, reasons_of, unpaired
from xaijax.compare.configuration import comparable
from xaijax.compare.remarks import about_images, about_models, alone_in
from xaijax.compare.runs import Run, match
from xaijax.metrics import METRICS
from xaijax.metrics.statistics import holm
from xaijax.plot import _style as style

FEWEST = 2


@dataclasses.dataclass(frozen=True)
class Change:
    """A metric of a method in two runs.

    Attributes:
        first, second: names of the runs.
        model: of the first run, and of the second where it has another name ("a → b").
        method, metric: names.
        paired: whether the same images were compared.
        n: images (or pairs of image and finding) compared; where they are not paired those of the second run.
        mean_first, mean_second: over these.
        difference, low, high: second minus first, with its 95 % interval.
        p, p_holm: Wilcoxon's signed rank test, or Mann and Whitney's where images are not paired, of the mean of each
            patient where several images are of one; and after Holm's correction over the comparisons of the two runs.
        better: name of the run that is better by the metric's direction, where the interval excludes 0 and rests on ten
            images (or patients) or more; else "".
        believed: whether the calibrations of both runs support the metric; False where one does not, None where a run
            was not calibrated.
        note: what limits the comparison.
    """

    first: str
    second: str
    model: str
    method: str
    metric: str
    paired: bool
    n: int
    mean_first: float
    mean_second: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    better: str
    believed: bool | None
    note: str = ""

    @property
    def apart(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def compare(first: Run, second: Run, *, seed: int = 0) -> tuple[list[Change], list[str]]:
    """All differences between two runs.

    Returns:
        The changes, believed metrics first, and sentences on what was assumed and left out.

    Raises:
        InputError: where nothing can be compared.
    """
    metrics, said = comparable(first, second)
    models, alone = _models(first, second)
    said += alone
    methods = [method for method in first.values["methods"] if method in set(second.values["methods"])]
    for what, shared, ours, theirs in (
        ("method", methods, first.values["methods"], second.values["methods"]),
        ("metric", metrics, first.values["metrics"], second.values["metrics"]),
    ):
        if not shared:
            reason = f" ({' '.join(said)})" if what == "metric" and said else ""
            raise InputError(
                f"{first.name} and {second.name} have no {what} in common that can be compared{reason}: the first has "
                f"{', '.join(ours) or 'none'}, the second {', '.join(theirs) or 'none'}"
            )
        said += alone_in(what, first, ours, second, theirs)
    matched = match(first, second)
    same = len(matched.pairs) >= FEWEST
    said += about_images(first, second, matched, same)
    said += about_models(first, second, models)
    changes: list[Change] = []
    for ours, theirs in models:
        a, b = columns_of(first.scores, ours), columns_of(second.scores, theirs)
        name = ours if ours == theirs else f"{ours} → {theirs}"
        without = []
        for metric in metrics:
            for method in style.in_order(methods):
                one, other = a.get((method, metric)), b.get((method, metric))
                if one is None and other is None:
                    continue  # no score of either run, as of the oracle by metrics without masks
                empty = [_empty(run, own) for run, own in ((first, one), (second, other)) if own is None or not own.n]
                if one is None or other is None or empty:
                    without.append(f"{method.replace('_', ' ')} by {METRICS[metric].title} ({'; '.join(empty)})")
                    continue
                known = _believed(metric, [(first, ours), (second, theirs)])
                base = {"first": first.name, "second": second.name, "model": name, "method": method, "metric": metric}
                values, units = (
                    paired(one, other, matched.pairs, first, second, seed)
                    if same
                    else unpaired(one, other, first, second, seed)
                )
                changes.append(_change(base | {"believed": known, "paired": same} | values, units))
        if without:
            where = f" of {name}" if len(models) > 1 else ""
            what = "comparison is" if len(without) == 1 else "comparisons are"
            said.append(f"{len(without)} {what} left out{where}: {', '.join(without)}.")
    corrected = holm([change.p for change in changes])
    changes = [dataclasses.replace(change, p_holm=float(p)) for change, p in zip(changes, corrected, strict=True)]
    return sorted(changes, key=lambda one: one.believed is False), said


def _empty(run: Run, own: "Column | None") -> str:
    """Why a run has no value of a method by a metric."""
    if own is None:
        return f"{run.name} did not score it"
    return f"{run.name} has no value: {reasons_of(own.missing.values())}"


def _models(first: Run, second: Run) -> tuple[list[tuple[str, str]], list[str]]:
    """Which models are compared: those of one name, or the only ones; and sentences on the others."""
    if len(first.models) == 1 and len(second.models) == 1:
        return [(first.models[0], second.models[0])], []
    shared = [model for model in first.models if model in second.models]
    if not shared:
        raise InputError(
            f"{first.name} and {second.name} have no model of one name: {', '.join(first.models)} and "
            f"{', '.join(second.models)}; compare runs of one model each, or of models of the same names"
        )
    return [(model, model) for model in shared], alone_in("model", first, first.models, second, second.models)


def _believed(metric: str, sides: Sequence[tuple[Run, str]]) -> bool | None:
    """Whether the calibrations of both runs support a metric; False where one does not, None where it is not known."""
    known = [metric in run.believed[model] for run, model in sides if model in run.believed]
    return False if not all(known) else True if len(known) == len(sides) else None


def _change(values: Mapping[str, Any], units: int) -> Change:
    better, note = "", values["note"]
    if values["low"] > 0 or values["high"] < 0:
        if units < ENOUGH:
            note = "; ".join(filter(None, (note, f"too few to call a run better ({units} of {ENOUGH})")))
        else:
            rises = (values["difference"] > 0) == METRICS[values["metric"]].higher_is_better
            better = values["second"] if rises else values["first"]
    return Change(**dict(values) | {"note": note}, p_holm=float("nan"), better=better)
