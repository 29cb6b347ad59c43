"""How good a classifier of findings is: for each finding the areas under its ROC and its precision-recall curve.

AUROC is the chance that an image with the finding gets a higher probability than one without, ties counting one half.
AUPRC is the average precision `Σ_t P(t) (R(t) - R(t-1))` over the distinct probabilities, as in scikit-learn, without
interpolation. An image where a finding is not known (NaN) plays no part in that finding. Intervals are percentiles over
bootstrap samples of the images, or of the patients where they are known.

References:
    Hanley, McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 1982;
    Davis, Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._outputs import THRESHOLD

DRAWS = 1000
LEVEL = 0.95


def auroc(labels: Any, probabilities: Any) -> float:
    """Area under the ROC curve of one finding; NaN where all images have it or none.

    Args:
        labels: `[N]` bool.
        probabilities: `[N]`, any unit; higher means more likely.

    Raises:
        InputError: for NaN, labels other than 0 and 1, and shapes that differ.

    Example:
        >>> auroc([False, False, True, True], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    truth, chances = _checked(labels, probabilities)
    return float(_auroc(*_sorted(truth, chances), np.ones((1, len(truth))))[0]) if len(truth) else float("nan")


def average_precision(labels: Any, probabilities: Any) -> float:
    """Area under the precision-recall curve of one finding; NaN where no image has it.

    Args:
        labels: `[N]` bool.
        probabilities: `[N]`, any unit; higher means more likely.

    Raises:
        InputError: for NaN, labels other than 0 and 1, and shapes that differ.

    Example:
        >>> round(average_precision([False, False, True, True], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    truth, chances = _checked(labels, probabilities)
    return float(_auprc(*_sorted(truth, chances), np.ones((1, len(truth))))[0]) if len(truth) else float("nan")


def _checked(labels: Any, probabilities: Any) -> tuple[np.ndarray, np.ndarray]:
    """`[N]` bool and `[N]` float64; NaN would be ranked below all others without a word."""
    truth, chances = np.asarray(labels), np.asarray(probabilities, np.float64)
    if truth.ndim != 1 or truth.shape != chances.shape:
        raise InputError(f"labels and probabilities must be [N] alike; got {truth.shape} and {chances.shape}")
    known = np.isin(truth, (0, 1))
    if np.isnan(chances).any() or not known.all():
        raise InputError(
            f"labels must be 0 or 1 and probabilities numbers; {int((~known).sum())} labels and "
            f"{int(np.isnan(chances).sum())} probabilities of {len(truth)} are not: leave these images out"
        )
    return truth.astype(bool), chances


def class_areas(chances: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean area under the ROC curve of each class against the rest.

    Args:
        chances: `[N, K]` probabilities.
        labels: `[N]` int.
        counts: `[R, N]` how often each image counts.

    Returns:
        `[R]`; the mean is over the classes with images in and outside of them, NaN where there is none.
    """
    areas = np.stack([_auroc(*_sorted(labels == k, chances[:, k]), counts) for k in np.unique(labels)])
    there = np.isfinite(areas)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, areas, 0).sum(axis=0) / there.sum(axis=0))


def finding_scores(
    labels: np.ndarray,
    probabilities: np.ndarray,
    findings: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    groups: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores of probabilities of findings.

    Args:
        labels: `[N, K]`: 1, 0, or NaN where it is not known.
        probabilities: `[N, K]`.
        findings: K names.
        thresholds: probabilities from which on a finding counts as present; None for 0.5.
        groups: `[N]` what is drawn together, such as the patient; None: each image.
        draws: of the bootstrap; 0: no intervals.
        seed: of the bootstrap.

    Returns:
        JSON values, None where there is no value: `images`, `classes`, `loss` (mean binary cross-entropy over the known
        labels, nats), `accuracy` and `macro_f1` (means over findings), `macro_auroc` and `macro_auprc` (likewise, with
        the bounds of their intervals `macro_auroc_low` and so on), and `per_finding`: `present`, `absent`, `threshold`,
        `sensitivity`, `specificity`, `precision`, `f1`, `accuracy`, `auroc`, `auprc` with `auroc_low`, `auroc_high`,
        `auprc_low`, `auprc_high`.

    Raises:
        InputError: for probabilities that are not finite or labels of another shape.

    Example:
        >>> found = finding_scores(np.array([[1.0], [0.0], [np.nan]]), np.array([[0.9], [0.2], [0.6]]), ["mass"])
        >>> found["macro_auroc"], found["per_finding"]["mass"]["present"], found["accuracy"]
        (1.0, 1, 1.0)
    """
    chances, labels = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    if chances.shape != labels.shape or chances.shape[1:] != (len(findings),):
        raise InputError(
            f"probabilities and labels must both be [N, {len(findings)}]; got {chances.shape} and {labels.shape}"
        )
    bad = int((~np.isfinite(chances).all(axis=1)).sum())
    if bad:
        raise InputError(f"the classifier gives NaN or infinity for {bad} of {len(chances)} images; train it again")
    limits = np.broadcast_to(THRESHOLD if thresholds is None else np.asarray(thresholds), len(findings))
    counts = _counts(len(chances), groups, draws, seed)
    drawn: dict[str, list[np.ndarray]] = {"auroc": [], "auprc": []}
    rows = {
        name: _one(chances[:, k], labels[:, k], float(limits[k]), counts, drawn)
        for k, name in enumerate(map(str, findings))
    }
    known = ~np.isnan(labels)
    safe = np.clip(chances, 1e-12, 1 - 1e-12)
    losses = -np.where(labels == 1, np.log(safe), np.log1p(-safe))

    def mean(key: str) -> float | None:
        values = [row[key] for row in rows.values() if row[key] is not None]
        return float(np.mean(values)) if values else None

    return {
        "images": len(chances),
        "classes": [str(name) for name in findings],
        "loss": float(losses[known].mean()) if known.any() else None,
        "accuracy": mean("accuracy"),
        "macro_f1": mean("f1") or 0.0,
        "macro_auroc": mean("auroc"),
        "macro_auprc": mean("auprc"),
        **_means_over_findings(drawn),
        "resampled": "images" if groups is None else "patients",
        "per_finding": rows,
    }


def compare_findings(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    findings: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Second minus first in AUROC and AUPRC, with paired percentile bootstrap intervals.

    Both classifiers are scored on the same resampled images, or patients where `groups` are given; an image is drawn
    with all its findings, which are not independent of each other. Samples in which a finding has no area are left out
    of that finding, and the mean over findings takes those that have one.

    Args:
        labels: `[N, K]`: 1, 0, or NaN where it is not known.
        first: `[N, K]` probabilities of the first classifier.
        second: `[N, K]` probabilities of the second.
        findings: K names.
        groups: `[N]` what is drawn together, such as the patient; None: each image.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        JSON values: `units` (images or patients resampled), `draws`, `level`; `macro_auroc`, `macro_auprc` and in
        `per_finding` `auroc` and `auprc`, each with `difference`, `low` and `high`, None where there is no value.

    Raises:
        InputError: for arrays of different shapes, and for no draw.

    Example:
        >>> labels, worse = np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([[0.2], [0.4], [0.6], [0.1]])
        >>> compare_findings(labels, worse, labels, ["mass"])["per_finding"]["mass"]["auroc"]["difference"]
        0.25
    """
    first, second, labels = (np.asarray(values, np.float64) for values in (first, second, labels))
    shapes = {first.shape, second.shape, labels.shape}
    if len(shapes) > 1 or labels.shape[1:] != (len(findings),) or draws < 1:
        raise InputError(
            f"probabilities and labels must all be [N, {len(findings)}], draws 1 or more; got {first.shape}, "
            f"{second.shape}, {labels.shape} and {draws}"
        )
    counts = _counts(len(labels), groups, draws, seed)
    drawn = np.ones((1, len(labels))) if counts is None else np.concatenate([np.ones((1, len(labels))), counts])
    rows: dict[str, Any] = {}
    found: dict[str, Any] = {
        "units": len(labels) if groups is None else len(set(groups)),
        "draws": draws,
        "level": LEVEL,
        "per_finding": rows,
    }
    for name, curve in (("auroc", _auroc), ("auprc", _auprc)):
        differences = []
        for k, finding in enumerate(map(str, findings)):
            known = ~np.isnan(labels[:, k])
            truth = labels[known, k] == 1
            before, after = (
                curve(*_sorted(truth, chances[known, k]), drawn[:, known])
                if known.any()
                else np.full(len(drawn), np.nan)
                for chances in (first, second)
            )
            differences.append(after - before)
            rows.setdefault(finding, {})[name] = _difference(differences[-1])
        table = np.stack(differences)
        there = ~np.isnan(table)
        with np.errstate(invalid="ignore"):
            means = np.where(there, table, 0).sum(axis=0) / there.sum(axis=0)
        found[f"macro_{name}"] = _difference(means)
    return found


def _difference(values: np.ndarray) -> dict[str, float | None]:
    """The first of `[1 + S]` differences, and the interval of the others."""
    drawn = values[1:][~np.isnan(values[1:])]
    enough = len(drawn) > 1 and np.isfinite(values[0])
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if enough else (np.nan, np.nan)
    return {"difference": _plain(values[0]), "low": _plain(low), "high": _plain(high)}


def _means_over_findings(drawn: Mapping[str, Sequence[np.ndarray]]) -> dict[str, float | None]:
    """Intervals of the means over findings: of every sample over those that have an area there."""
    found: dict[str, float | None] = {}
    for name, areas in drawn.items():
        there = np.isfinite(np.stack(areas)) if areas else np.zeros((0, 0), bool)
        some = there.any(axis=0)
        values = np.where(there, np.stack(areas), 0).sum(axis=0)[some] / there.sum(axis=0)[some] if areas else []
        low, high = np.percentile(values, [2.5, 97.5]) if len(values) > 1 else (np.nan, np.nan)
        found |= {f"macro_{name}_low": _plain(low), f"macro_{name}_high": _plain(high)}
    return found


def _one(
    chances: np.ndarray,
    labels: np.ndarray,
    threshold: float,
    counts: np.ndarray | None,
    every: Mapping[str, list[np.ndarray]],
) -> dict[str, Any]:
    """The scores of one finding; its areas on the samples are added to `every`, where it has one on the images."""
    known = ~np.isnan(labels)
    truth, p = labels[known] == 1, chances[known]
    guess = p >= threshold
    hits, present, reported = int((truth & guess).sum()), int(truth.sum()), int(guess.sum())
    absent = len(truth) - present
    row: dict[str, Any] = {
        "present": present,
        "absent": absent,
        "unknown": int((~known).sum()),
        "threshold": threshold,
        "sensitivity": _ratio(hits, present),
        "specificity": _ratio(int((~truth & ~guess).sum()), absent),
        "precision": _ratio(hits, reported),
        "f1": _ratio(2 * hits, present + reported),
        "accuracy": _ratio(int((truth == guess).sum()), len(truth)),
    }
    order = _sorted(truth, p)
    for name, curve in (("auroc", _auroc), ("auprc", _auprc)):
        value = curve(*order, np.ones((1, len(truth))))[0] if len(truth) else np.nan
        row[name] = _plain(value)
        drawn = curve(*order, counts[:, known]) if counts is not None and len(truth) else np.full(1, np.nan)
        if counts is not None and np.isfinite(value):
            every[name].append(drawn)
        drawn = drawn[~np.isnan(drawn)]
        enough = len(drawn) > 1 and np.isfinite(value)
        low, high = np.percentile(drawn, [2.5, 97.5]) if enough else (np.nan, np.nan)
        row[f"{name}_low"], row[f"{name}_high"] = _plain(low), _plain(high)
    return row


def _counts(n: int, groups: Sequence[Hashable] | None, draws: int, seed: int) -> np.ndarray | None:
    """`[draws, n]`: how often each image is drawn; what belongs together is drawn together."""
    if not draws or n < 2:
        return None
    names = list(range(n)) if groups is None else list(groups)
    place = {name: at for at, name in enumerate(dict.fromkeys(names))}
    member = np.array([place[name] for name in names])
    rng = np.random.default_rng(seed)
    size = len(place)
    drawn = rng.multinomial(size, np.full(size, 1 / size), size=draws)
    return np.asarray(drawn[:, member], np.float64)


def _sorted(truth: Any, chances: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(order, truth in that order, position of the last image of each distinct chance)`, the largest chance first."""
    truth, chances = np.asarray(truth, bool), np.asarray(chances, np.float64)
    order = np.argsort(-chances, kind="stable")
    values = chances[order]
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.zeros(0, np.int64)
    return order, truth[order], ends


def _steps(order: np.ndarray, truth: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[S, T]` images with and without the finding among those of at least each distinct chance."""
    drawn = counts[:, order]
    return np.cumsum(drawn * truth, axis=1)[:, ends], np.cumsum(drawn * ~truth, axis=1)[:, ends]


def _auroc(order: np.ndarray, truth: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> np.ndarray:
    hits, alarms = _steps(order, truth, ends, counts)
    start = np.zeros((len(counts), 1))
    area = np.trapezoid(np.concatenate([start, hits], axis=1), np.concatenate([start, alarms], axis=1), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(area / (hits[:, -1] * alarms[:, -1]))


def _auprc(order: np.ndarray, truth: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> np.ndarray:
    hits, alarms = _steps(order, truth, ends, counts)
    gained = np.diff(hits, axis=1, prepend=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0.0)
        return np.asarray((precision * gained).sum(axis=1) / hits[:, -1])


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
