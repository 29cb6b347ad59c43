"""The result of a calibration, in Python and as JSON (schema 1)."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xaijax._errors import InputError
from xaijax.metrics.calibration.bootstrap import Mean
from xaijax.metrics.calibration.verdict import Evidence, Thresholds, Verdict, moved, rule

SCHEMA = 1


@dataclass(frozen=True)
class Numbers:
    """What was found for one metric in one construction.

    Attributes:
        concordance, twin, random_dominance: means with 95 % intervals.
        random_dominance_chance: k/(k + 1), what a metric that knows nothing has.
        winning_texture: the texture without truth that scores best most often; `""` where none has a value.
        tau: mean within textures, with its interval.
        texture_share: share of the variation that the share of truth does not explain.
        images_for_power: for 80 % power, truth against the texture that is hardest to tell from it; None for never.
        hardest_texture: that texture.
        detectable: the smallest difference from it that the images at hand show, unit of the metric.
        size: of the paired t-test between two noise maps of one kind; 0.05 is right.
        scored: class -> share of its cases with a value.
        cases, groups: how many have a value.
        reasons: code -> number of maps without a value.
    """

    concordance: Mean
    twin: Mean
    random_dominance: Mean
    random_dominance_chance: float
    winning_texture: str
    tau: Mean
    texture_share: float
    images_for_power: int | None
    hardest_texture: str
    detectable: float
    size: float
    scored: Mapping[str, float]
    cases: int
    groups: int
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def evidence(self) -> Evidence:
        """What the rules read."""
        return Evidence(self.concordance, self.twin, self.random_dominance, self.tau.value)


@dataclass(frozen=True)
class Judgement:
    """The verdict on one metric.

    Attributes:
        verdict: `"believe"`, `"same_kind"` (only between maps of one kind), `"no"`, `"undecided"`, `"not_judged"`, or
            `"no_verdict"` where a control failed.
        why: one sentence.
        higher_is_better: direction of the metric.
        images_to_decide: of an undecided one; None where no number can be named.
        scored: class -> smallest share of its cases with a value over the deciding constructions.
        decided_by: the deciding construction with the lowest concordance; `""` where there is none.
        constructions: construction -> its numbers.
    """

    verdict: Verdict
    why: str
    higher_is_better: bool
    images_to_decide: int | None
    scored: Mapping[str, float]
    decided_by: str
    constructions: Mapping[str, Numbers]

    @property
    def numbers(self) -> Numbers | None:
        """Those of the construction `decided_by`."""
        return self.constructions.get(self.decided_by)


@dataclass(frozen=True)
class Controls:
    """Whether the calibration can be trusted at all.

    Attributes:
        positive: C of Pearson(m, T), the lowest over constructions.
        negative: D of metrics that read the map alone, the one farthest from 0.5.
        negative_metric: which metric that is.
        positive_passed, negative_passed: whether they are where they must be.
        reason: what failed; `""` if nothing did.
    """

    positive: float
    negative: float
    negative_metric: str
    positive_passed: bool
    negative_passed: bool
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Both."""
        return self.positive_passed and self.negative_passed


@dataclass(frozen=True)
class Calibration:
    """Which metrics can be believed for this model and these images.

    Attributes:
        metrics: name -> `Judgement`.
        controls: whether the calibration can be trusted.
        answers: what the model says to images without evidence, see `evidence_free`.
        thresholds: of the rules.
        depth: `"quick"`, `"full"` or `"custom"`.
        constructions: name -> `{"cases": n, "groups": n, "left_out": {reason: n}}`.
        images: how many were given.
        classes: names of their classes.
        textures, levels: of the maps.
        left_out: reason -> number, over all constructions.
        seed: of everything random.
        settings: of the metrics, by family.
        model, data, versions: what they were, for the record.

    Example:
        >>> from xaijax.metrics.calibration import judge
        >>> empty = {"depth": "quick", "seed": 0, "images": 0, "classes": [], "textures": ["white", "edges"],
        ...          "levels": [0, 0.5, 1], "constructions": {}}
        >>> judge(empty, [])
        Calibration(quick, 0 images, controls failed, no metrics)
    """

    metrics: Mapping[str, Judgement]
    controls: Controls
    answers: tuple[Mapping[str, Any], ...]
    thresholds: Thresholds
    depth: str
    constructions: Mapping[str, Mapping[str, Any]]
    images: int
    classes: tuple[str, ...]
    textures: tuple[str, ...]
    levels: tuple[float, ...]
    left_out: Mapping[str, int]
    seed: int = 0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = Counter(one.verdict for one in self.metrics.values())
        words = ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()) or "no metrics"
        controls = "passed" if self.controls.passed else "failed"
        return f"Calibration({self.depth}, {self.images} images, controls {controls}, {words})"

    def sensitivity(self) -> dict[str, dict[str, Verdict]]:
        """Metric -> threshold moved by 0.05 (such as `"twin+0.05"`) -> the verdict it would get, where it differs."""
        if not self.controls.passed:
            return {}
        found: dict[str, dict[str, Verdict]] = {}
        for name, one in self.metrics.items():
            evidence = {key: numbers.evidence for key, numbers in one.constructions.items()}
            if not evidence:
                continue
            for what, limits in moved(self.thresholds).items():
                verdict = rule(evidence, one.scored, limits).verdict
                if verdict != one.verdict:
                    found.setdefault(name, {})[what] = verdict
        return found

    def to_json(self) -> dict[str, Any]:
        """As JSON takes it: NaN is null, names are those of docs/calibration.md."""
        return {
            "schema": SCHEMA,
            "depth": self.depth,
            "seed": self.seed,
            "model": dict(self.model),
            "data": {**self.data, "images": self.images},
            "versions": dict(self.versions),
            "settings": {family: dict(options) for family, options in self.settings.items()},
            "classes": list(self.classes),
            "textures": list(self.textures),
            "levels": list(self.levels),
            "constructions": {name: dict(one) for name, one in self.constructions.items()},
            "left_out": dict(self.left_out),
            "thresholds": dataclasses.asdict(self.thresholds),
            "controls": _controls_json(self.controls),
            "answers": [_plain(dict(one)) for one in self.answers],
            "metrics": {name: _judgement_json(one) for name, one in self.metrics.items()},
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_json` wrote.

        Raises:
            InputError: for another schema.
        """
        if not isinstance(given, Mapping):
            raise InputError(f"a calibration is a dictionary, as to_json gives it; got {type(given).__name__}")
        if given.get("schema") != SCHEMA:
            raise InputError(
                f"this calibration has the schema {given.get('schema')!r}; this version reads schema {SCHEMA}: "
                "calibrate again"
            )
        data = dict(given["data"])
        images = int(data.pop("images"))
        controls = given["controls"]
        return cls(
            metrics={name: _judgement(one) for name, one in given["metrics"].items()},
            controls=Controls(
                _number(controls["positive"]["concordance"]), _number(controls["negative"]["twin"]),
                controls["negative"]["metric"], controls["positive"]["passed"], controls["negative"]["passed"],
                controls["reason"],
            ),
            answers=tuple(given["answers"]),
            thresholds=Thresholds(**given["thresholds"]),
            depth=given["depth"],
            constructions=given["constructions"],
            images=images,
            classes=tuple(given["classes"]),
            textures=tuple(given["textures"]),
            levels=tuple(float(level) for level in given["levels"]),
            left_out=given["left_out"],
            seed=given["seed"],
            settings=given["settings"],
            model=given["model"],
            data=data,
            versions=given["versions"],
        )  # fmt: skip

    def to_pandas(self) -> Any:
        """A table: one row per metric and construction, with the verdict."""
        rows = []
        for name, one in self.metrics.items():
            for construction, numbers in one.constructions.items():
                values = _numbers_json(numbers)
                low_high = {
                    key.replace("interval", f"interval_{end}"): bounds[i]
                    for key, bounds in values.items()
                    if key.endswith("interval")
                    for i, end in enumerate(("low", "high"))
                }
                plain = {
                    key: value
                    for key, value in values.items()
                    if not key.endswith("interval") and key not in ("scored", "reasons")
                }
                rows.append({"metric": name, "verdict": one.verdict, "construction": construction, **plain, **low_high})
            if not one.constructions:
                rows.append({"metric": name, "verdict": one.verdict, "construction": ""})
        return importlib.import_module("pandas").DataFrame(rows)


def _plain(value: Any) -> Any:
    """JSON of numbers: NaN and infinity are null."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _controls_json(controls: Controls) -> dict[str, Any]:
    return {
        "positive": {"concordance": _plain(controls.positive), "passed": controls.positive_passed},
        "negative": {
            "twin": _plain(controls.negative), "metric": controls.negative_metric, "passed": controls.negative_passed
        },
        "passed": controls.passed,
        "reason": controls.reason,
    }  # fmt: skip


_MEANS = {
    "concordance": "interval",
    "twin": "twin_interval",
    "random_dominance": "random_dominance_interval",
    "tau": "tau_interval",
}
"""Means and the names of their intervals in JSON."""


def _numbers_json(numbers: Numbers) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, interval in _MEANS.items():
        mean: Mean = getattr(numbers, name)
        found[name] = _plain(mean.value)
        found[interval] = [_plain(mean.low), _plain(mean.high)]
        found[f"{name}_groups"] = mean.groups
    for item in dataclasses.fields(Numbers):
        if item.name not in _MEANS:
            found[item.name] = _plain(getattr(numbers, item.name))
    return found


def _judgement_json(one: Judgement) -> dict[str, Any]:
    top = {} if one.numbers is None else _numbers_json(one.numbers)
    return {
        "verdict": one.verdict,
        "why": one.why,
        "higher_is_better": one.higher_is_better,
        "images_to_decide": one.images_to_decide,
        "decided_by": one.decided_by,
        **top,
        "scored": _plain(dict(one.scored)),
        "constructions": {name: _numbers_json(numbers) for name, numbers in one.constructions.items()},
    }


def _judgement(given: Mapping[str, Any]) -> Judgement:
    return Judgement(
        given["verdict"],
        given["why"],
        given["higher_is_better"],
        given["images_to_decide"],
        given["scored"],
        given["decided_by"],
        {name: _numbers(one) for name, one in given["constructions"].items()},
    )


def _numbers(given: Mapping[str, Any]) -> Numbers:
    found: dict[str, Any] = {item.name: given[item.name] for item in dataclasses.fields(Numbers)}
    for name, interval in _MEANS.items():
        low, high = given[interval]
        found[name] = Mean(_number(given[name]), _number(low), _number(high), int(given[f"{name}_groups"]))
    for name in ("random_dominance_chance", "texture_share", "detectable", "size"):
        found[name] = _number(found[name])
    return Numbers(**found)
