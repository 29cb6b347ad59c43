"""From rows to verdicts."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.calibration import ladder, power, statistics
from xaijax.metrics.calibration.bootstrap import Mean, mean_of
from xaijax.metrics.calibration.case import DECIDING, Row
from xaijax.metrics.calibration.cost import NOT_JUDGED
from xaijax.metrics.calibration.others import OtherMetric
from xaijax.metrics.calibration.planning import Plan
from xaijax.metrics.calibration.result import Calibration, Controls, Judgement, Numbers
from xaijax.metrics.calibration.scoring import CONTROL, NEGATIVE, POSITIVE, control_directions
from xaijax.metrics.calibration.verdict import Thresholds, check_thresholds, rule
from xaijax.metrics.registry import METRICS

Floats = NDArray[np.float64]


def judge(
    plan: Plan | Mapping[str, Any],
    rows: Iterable[Sequence[Any]],
    thresholds: Thresholds | None = None,
    *,
    others: Mapping[str, OtherMetric | bool] | None = None,
    answers: Iterable[Mapping[str, Any]] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    left_out: Mapping[str, int] | None = None,
    seed: int | None = None,
) -> Calibration:
    """Verdicts on all metrics that rows hold.

    Args:
        plan: or what `Plan.describe` says of it.
        rows: of `score_case`, in any order, from as many cases as were scored.
        thresholds: of the rules.
        others: the metrics of other packages as in `score_case`, or name -> whether higher is better.
        answers: of `evidence_free`, kept in the result.
        settings: of the metrics, kept in the result.
        left_out: reason -> number of cases, in addition to those of the plan.
        seed: of bootstrap and resampling; default: the plan's.

    Returns:
        `Calibration`.
    """
    described = plan.describe() if isinstance(plan, Plan) else plan
    check_thresholds(thresholds)
    limits = thresholds or Thresholds()
    seed = int(described["seed"]) if seed is None else seed
    textures, levels = list(described["textures"]), [float(level) for level in described["levels"]]
    tables: dict[str, dict[str, _Table]] = defaultdict(dict)
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for values in rows:
        row = Row(*values)
        grouped[row.metric, row.construction].append(row)
    for (metric, construction), some in grouped.items():
        tables[metric][construction] = _Table(some, textures, levels)
    directions = {name: metric.higher_is_better for name, metric in METRICS.items()}
    directions.update(control_directions())
    for name, given in (others or {}).items():
        directions[name] = given.higher_is_better if isinstance(given, OtherMetric) else bool(given)
    controls = _controls(tables, directions, limits, seed)
    order = {name: i for i, name in enumerate(described["constructions"])}
    judged = {
        metric: _judge(
            dict(sorted(some.items(), key=lambda item: order.get(item[0], len(order)))),
            directions[metric], controls, limits, seed,
        )
        for metric, some in tables.items()
        if not metric.startswith(CONTROL)
    }  # fmt: skip
    total: Counter[str] = Counter()
    for one in described["constructions"].values():
        total.update(one["left_out"])
    total.update(left_out or {})
    return Calibration(
        metrics=judged,
        controls=controls,
        answers=tuple(answers),
        thresholds=limits,
        depth=str(described["depth"]),
        constructions={name: dict(one) for name, one in described["constructions"].items()},
        images=int(described["images"]),
        classes=tuple(described["classes"]),
        textures=tuple(textures),
        levels=tuple(levels),
        left_out=dict(total),
        seed=seed,
        settings=dict(settings or {}),
    )


class _Table:
    """The values of one metric in one construction, by case and map."""

    def __init__(self, rows: Sequence[Row], textures: Sequence[str], levels: Sequence[float]) -> None:
        self.textures, self.levels = list(textures), list(levels)
        names = ladder.map_names(textures, levels)
        cases = {case: i for i, case in enumerate(sorted({row.case for row in rows}))}
        column = {name: i for i, name in enumerate(names)}
        self.values = np.full((len(cases), len(names)), np.nan)
        self.groups, self.classes = [""] * len(cases), [""] * len(cases)
        self.reasons: Counter[str] = Counter()
        for row in rows:
            i = cases[row.case]
            self.groups[i], self.classes[i] = str(row.group), str(row.label_class)
            if row.reason:
                self.reasons[row.reason] += 1
            if row.map in column and row.value is not None:
                self.values[i, column[row.map]] = row.value
        self.column = column

    def of(self, names: Sequence[str], sign: int) -> Floats:
        return sign * self.values[:, [self.column[name] for name in names]]

    def grid(self, sign: int) -> Floats:
        """`[cases, textures, levels]`."""
        names = [ladder.name_of(texture, level) for texture in self.textures for level in self.levels]
        return self.of(names, sign).reshape(len(self.values), len(self.textures), len(self.levels))

    def twins(self, sign: int) -> Floats:
        """`[cases]`: D of each."""
        names = ladder.twins(self.textures, self.levels)
        return statistics.twin(self.of(names, sign), self.of([ladder.ROLL + name for name in names], sign))

    def nulls(self) -> Floats:
        """`[groups, textures]`: differences of two noise maps of one kind, mean over the cases of a group."""
        kinds = [texture for texture in self.textures if ladder.null_name(texture) in self.column]
        if not kinds:
            return np.zeros((0, 0))
        first = self.of([ladder.name_of(texture, 1.0) for texture in kinds], 1)
        return self.by_group(first - self.of([ladder.null_name(texture) for texture in kinds], 1))

    def by_group(self, values: Floats) -> Floats:
        """`[cases, n]` -> `[groups, n]` means of what is there."""
        names, index = np.unique(np.asarray(self.groups, object).astype(str), return_inverse=True)
        there = ~np.isnan(values)
        sums, counts = np.zeros((len(names), values.shape[1])), np.zeros((len(names), values.shape[1]))
        np.add.at(sums, index, np.where(there, values, 0.0))
        np.add.at(counts, index, there)
        return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)

    def scored(self) -> dict[str, float]:
        """Class -> share of its cases in which the truth has a value."""
        there = ~np.isnan(self.values[:, self.column[ladder.TRUTH]])
        classes = np.asarray(self.classes, object)
        return {name: float(there[classes == name].mean()) for name in dict.fromkeys(self.classes)}


def _numbers(table: _Table, higher: bool, seed: int) -> Numbers:
    sign = 1 if higher else -1
    grid, groups = table.grid(sign), table.groups
    dominance, best = statistics.random_dominance(grid)
    winners = np.bincount(best[best >= 0], minlength=len(table.textures))
    shares = statistics.texture_share(grid)
    needed = -math.inf
    hardest, spread, count = "", math.nan, 0
    # Where they need equally many the weaker texture counts; all of a group's cases are one image.
    differences = table.by_group(grid[:, :, 0] - grid[:, :, -1])
    effects = [power.effect(column) for column in differences.T]
    for texture, column, d in zip(table.textures, differences.T, effects, strict=True):
        images = power.images_for_power(d)
        if images > needed:
            there = column[~np.isnan(column)]
            needed, hardest, count = images, texture, len(there)
            spread = float(there.std(ddof=1)) if count > 1 else math.nan
    concordance = mean_of(statistics.concordance(grid), groups, seed=seed)
    return Numbers(
        concordance=concordance,
        twin=mean_of(table.twins(sign), groups, seed=seed),
        random_dominance=mean_of(dominance, groups, share=True, seed=seed),
        random_dominance_chance=len(table.textures) / (len(table.textures) + 1),
        winning_texture=table.textures[int(winners.argmax())] if winners.any() else "",
        tau=mean_of(statistics.tau(grid), groups, bounded=False, seed=seed),
        texture_share=float(np.nanmean(shares)) if not np.isnan(shares).all() else math.nan,
        images_for_power=int(needed) if math.isfinite(needed) else None,
        hardest_texture=hardest,
        detectable=power.detectable(spread, count),
        size=power.size_of_test(table.nulls(), seed=seed),
        scored=table.scored(),
        cases=int((~np.isnan(table.values[:, table.column[ladder.TRUTH]])).sum()),
        groups=concordance.groups,
        reasons=dict(table.reasons),
    )


def _judge(tables: Mapping[str, _Table], higher: bool, controls: Controls, limits: Thresholds, seed: int) -> Judgement:
    codes = {reason for table in tables.values() for reason in table.reasons} & set(NOT_JUDGED)
    if codes:
        return Judgement("not_judged", NOT_JUDGED[codes.pop()], higher, None, {}, "", {})
    numbers = {name: _numbers(table, higher, seed) for name, table in tables.items()}
    deciding = {name: one for name, one in numbers.items() if name in DECIDING}
    scored: dict[str, float] = {}
    for one in deciding.values():
        for name, share in one.scored.items():
            scored[name] = min(share, scored.get(name, 1.0))
    worst = min(
        deciding, key=lambda name: np.nan_to_num(deciding[name].concordance.value, nan=-1.0), default=""
    )  # a construction without a value is the worst
    ruling = rule({name: one.evidence for name, one in numbers.items()}, scored, limits)
    verdict, why, images = ruling.verdict, ruling.why, ruling.images
    if not controls.passed and verdict != "not_judged":
        verdict, why, images = "no_verdict", controls.reason, None
    return Judgement(verdict, why, higher, images, scored, worst, numbers)


def _controls(
    tables: Mapping[str, Mapping[str, _Table]], directions: Mapping[str, bool], limits: Thresholds, seed: int
) -> Controls:
    positive, negative, which = math.nan, math.nan, ""
    for table in tables.get(POSITIVE, {}).values():
        found: Mean = mean_of(statistics.concordance(table.grid(1)), table.groups, seed=seed)
        positive = found.value if math.isnan(positive) else min(positive, found.value)
    for name in NEGATIVE:
        for table in tables.get(name, {}).values():
            d = mean_of(table.twins(1 if directions[name] else -1), table.groups, seed=seed).value
            if not which or abs(d - 0.5) > abs(negative - 0.5):
                negative, which = d, name.removeprefix(CONTROL)
    good = positive >= limits.positive
    blind = abs(negative - 0.5) <= limits.negative
    reasons = []
    if not good:
        reasons.append(
            f"C of the correlation with the truth is {positive:.2f}, and must be {limits.positive:g} or more"
        )
    if not blind:
        reasons.append(
            f"D of {which or 'metrics that read the map alone'} is {negative:.2f}, and must be 0.5 within "
            f"{limits.negative:g}"
        )
    return Controls(positive, negative, which, good, blind, "; ".join(reasons))
