"""`xaijax bench --until decided`: when a run may stop, because every comparison of two methods is settled.

Images are taken in random order, one of each patient, and every comparison bets against "no difference" after each of
them (`xaijax.metrics.statistics.betting`). What is decided follows from the parts in the order of their numbers, up to
the first that is missing. So a run decides the same however its parts are computed, in whatever order, and when it is
resumed; parts beyond the one that settled the last comparison do not count.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from xaijax import _names
from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax.metrics import METRICS, ORACLE

if TYPE_CHECKING:
    import pyarrow as pa

    from xaijax._runs.given import Given
    from xaijax._runs.models import Model
    from xaijax.bench.columns import Columns
    from xaijax.bench.plan import Plan
    from xaijax.bench.store import Store

ALPHA = 0.05

Values = Mapping[tuple[str, str, str], Mapping[str, Mapping[str, float]]]
"""(model, metric, method) -> image -> finding, `""` where there are none -> value, NaN for none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UntilOptions:
    """When to stop."""

    until: Literal["decided"] | None = None
    """decided: take images in random order, one of each patient, and stop when every pair of methods is decided on
    every metric that has bounds, or cannot be any more within --max-count images. --count sets how many images there
    are to take from; default: all."""

    alpha: Annotated[float, Range(0, 1, without_low=True, without_high=True)] = ALPHA
    """With --until: chance that any interval misses the mean, or that anything is decided where there is no difference;
    shared over the comparisons."""

    max_count: Count | None = None
    """With --until: the most images to use; default: all."""

    against: str | None = None
    """With --until: decide each method against this one, such as random; default: every pair."""


def check(config: UntilOptions) -> None:
    """Refuses options of deciding where nothing is decided; raises `InputError`."""
    if config.until is not None:
        return
    changed = [
        name
        for name, there in (
            ("--alpha", config.alpha != ALPHA),
            ("--max-count", config.max_count is not None),
            ("--against", config.against is not None),
        )
        if there
    ]
    if changed:
        raise InputError(f"{changed[0]} belongs to --until decided: add --until decided, or leave it out")


def one_of_each(groups: Sequence[str | None], seed: int) -> list[int]:
    """Positions in random order, one of each group, drawn evenly among its own; None is a group of its own.

    Example:
        >>> sorted(one_of_each(["a", "a", None, None], seed=0))
        [1, 2, 3]
    """
    members: dict[Any, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault((position,) if group is None else group, []).append(position)
    rng = np.random.default_rng(seed)
    drawn = [own[int(rng.integers(len(own)))] for own in members.values()]
    return [drawn[place] for place in rng.permutation(len(drawn))]


def agree(
    config: Any,
    models: "Sequence[Model]",
    computed: Sequence[str],
    given: "Sequence[Given]",
    metrics: Sequence[str],
    *,
    population: int,
    budget: int,
    notes: list[str],
) -> dict[str, Any]:
    """What a run is to decide, as `run.json` keeps it.

    Args:
        config: of the run.
        models, computed, given, metrics: of the run.
        population: images there are to take from, at most.
        budget: images that the run may use.
        notes: where to say what takes no part.

    Returns:
        JSON values; `comparisons` are (model, metric, first, second).

    Raises:
        InputError: where there is nothing to decide.
    """
    bounded = [metric for metric in metrics if None not in METRICS[metric].range]
    others = [metric for metric in metrics if metric not in bounded]
    if not bounded:
        raise InputError(
            f"--until decided needs a metric with bounds, and {' and '.join(others)} have none: name another with "
            "--metrics (xaijax metrics lists ranges)"
        )
    if others:
        notes.append(f"Nothing is decided on {', '.join(others)}: anytime-valid intervals need bounds.")
    every = dict.fromkeys((*computed, *(one.name for one in given)))
    against = None
    if config.against is not None:
        there = [name for name in every if name != ORACLE]
        if _names.normal(config.against) not in map(_names.normal, there):
            raise InputError(
                f"--against is {config.against}, which is not a method of this run: choose from {', '.join(there)}, or "
                "name it with --methods too"
            )
        against = _names.match("method", config.against, there)
    comparisons: list[list[str]] = []
    silent: dict[str, None] = {}
    for model in models:
        own = [name for name in every if name in computed or any(_scores(g, name, model.name) for g in given)]
        for metric in bounded:
            there = [name for name in own if name in computed or _has_value(metric, name, given)]
            silent |= dict.fromkeys(f"{name} on {metric}" for name in own if name not in there)
            pairs: Iterable[tuple[str, str]] = itertools.combinations(there, 2)
            if against is not None:
                pairs = ((name, against) for name in there if name != against and against in there)
            comparisons += [[model.name, metric, first, second] for first, second in pairs]
    if silent:
        notes.append(f"Nothing is decided about {', '.join(silent)}: maps alone have no value there.")
    if not comparisons:
        raise InputError("--until decided compares methods, and there is one alone: name two or more with --methods")
    return {
        "alpha": config.alpha,
        "against": against,
        "population": population,
        "budget": budget,
        "comparisons": comparisons,
    }


def _scores(one: "Given", name: str, model: str) -> bool:
    return one.name == name and model in one.models


def _has_value(metric: str, name: str, given: "Sequence[Given]") -> bool:
    """Whether maps of a bundle can have a value: they cannot explain changed images."""
    needs = METRICS[metric].needs
    own = any(one.name == name and one.own for one in given)
    return "explainer" not in needs and ("variants" not in needs or own)


def values_of(tables: "Iterable[pa.Table]") -> Values:
    """The scores of some tables by model, metric and method."""
    found: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    for table in tables:
        names = ("model", "metric", "method", "image", "value")
        targets = table["target"].to_pylist() if "target" in table.column_names else [""] * table.num_rows
        columns = (table[name].to_pylist() for name in names)
        for model, metric, method, image, value, target in zip(*columns, targets, strict=True):
            found.setdefault((model, metric, method), {}).setdefault(image, {})[target] = value
    return found


def width(metric: str) -> float:
    """The width of a bounded metric's range, which no difference exceeds."""
    low, high = METRICS[metric].range
    assert low is not None
    assert high is not None
    return high - low


def differences(values: Values, comparison: Sequence[str], images: Sequence[str]) -> np.ndarray:
    """`[images]` first minus second; NaN where one of them has no value.

    Of several findings of an image it is the mean over those for which both have a value.

    Raises:
        InputError: for a value outside the metric's range.
    """
    model, metric, first, second = comparison
    a, b = values.get((model, metric, first), {}), values.get((model, metric, second), {})
    found = np.full(len(images), np.nan)
    for place, image in enumerate(images):
        one, other = a.get(image, {}), b.get(image, {})
        both = [one[target] - other[target] for target in one if target in other]
        both = [difference for difference in both if difference == difference]
        if both:
            found[place] = sum(both) / len(both)
    return _bounded(metric, found)


def differences_in(models: "Mapping[str, Columns]", comparison: Sequence[str], images: "pa.Array") -> np.ndarray:
    """`[images]` the same from the columns of a run; see `differences`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    model, metric, first, second = comparison
    found = np.full(len(images), np.nan)
    one = models.get(model)
    if one is None or metric not in one.metrics():
        return found
    rows, methods, values = one.matrix(metric)
    if first not in methods or second not in methods:
        return found
    gap = values[:, methods.index(first)] - values[:, methods.index(second)]
    there = ~np.isnan(gap)
    place = np.asarray(pc.fill_null(pc.index_in(one.images().take(pa.array(rows[there])), images), -1), np.int64)
    known = place >= 0
    counts = np.bincount(place[known], minlength=len(images))
    sums = np.bincount(place[known], weights=gap[there][known], minlength=len(images))
    found[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return _bounded(metric, found)


def _bounded(metric: str, found: np.ndarray) -> np.ndarray:
    bound = width(metric)
    if (np.abs(found) > bound * (1 + 1e-6)).any():
        raise InputError(
            f"the metric {metric} gave values outside its range {METRICS[metric].range}, so nothing can be decided on "
            "it: leave it out of --metrics"
        )
    return np.clip(found, -bound, bound)


class Decider:
    """The state of every comparison after each image.

    Args:
        until: what to decide, as `agree` gives it.

    Attributes:
        decided: of each comparison whether it is decided.
        taken: images so far.
    """

    def __init__(self, until: Mapping[str, Any]) -> None:
        from xaijax.metrics.statistics import Bets

        self.comparisons = [tuple(one) for one in until["comparisons"]]
        self.population, self.budget = int(until["population"]), int(until["budget"])
        self.needed = math.log(len(self.comparisons) / float(until["alpha"]))
        self.taken = 0
        self._bets = [Bets(0.5, population=self.population) for _ in self.comparisons]
        self._open = [False] * len(self.comparisons)  # cannot be decided any more
        self.decided = [False] * len(self.comparisons)

    @property
    def settled(self) -> bool:
        """Whether every comparison is decided, or cannot be any more."""
        return all(a or b for a, b in zip(self.decided, self._open, strict=True))

    def add(self, images: Sequence[str], values: Values) -> None:
        """Takes the scores of the next images."""
        from xaijax.metrics.statistics._betting import MOST

        self.taken += len(images)
        left = self.budget - self.taken
        for place, (comparison, bets) in enumerate(zip(self.comparisons, self._bets, strict=True)):
            if self.decided[place] or self._open[place]:
                continue
            bound = width(comparison[1])
            capital = bets.add((differences(values, comparison, images) + bound) / (2 * bound))[:, 0]
            if (capital >= self.needed).any():
                self.decided[place] = True
                continue
            # Every image that is left could at least bring 1 + MOST times the capital: no need to look closer.
            close = len(capital) > 0 and capital[-1] + left * math.log1p(MOST) < self.needed
            self._open[place] = left == 0 or bool(close and bets.reachable(left) < self.needed)


def undecided(plan: "Plan", store: "Store") -> "Iterator[tuple[str, Model, tuple[int, ...]]]":
    """The parts that are still to be computed, each when the ones before it did not settle all comparisons.

    Args:
        plan: of a run with `--until`.
        store: where its parts are; a part that was given must be in it before the next is asked for.

    Yields:
        As `Plan.parts`.
    """
    decider = Decider(plan.until)
    ids = dict(zip(plan.cases, plan.ids, strict=True))
    chunks: dict[tuple[int, ...], list[Any]] = {}
    for entry in plan.parts():  # model by model; here the same images on every model come one after the other
        chunks.setdefault(entry[2], []).append(entry)
    for cases, entries in chunks.items():
        if decider.settled:
            for entry in entries:  # computed ahead by somebody else
                store.discard(entry[0])
            continue
        for entry in entries:
            if not store.finished(entry[0]):
                yield entry
        decider.add([ids[case] for case in cases], values_of(store.scores_of(entry[0]) for entry in entries))
