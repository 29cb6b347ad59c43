"""Two published ways to judge metrics, next to calibration, on scikit-learn's digits.

    python benchmarks/published_procedures.py --write docs/studies/published-procedures.md

* **Degraded explainers** (F-Fidelity, ICLR 2025): a map of an explainer is spoilt more and more, and a metric should
  fall with the level. Here a random share of the pixels exchange their values; the shares are 0, 0.2 ... 1.
* **MetaQuantus** (TMLR 2023): scores should stay under a minor change and move under a disruptive one. Four numbers per
  metric, IAC and IEC under each, whose mean is MC. Changes of the input (uniform noise of 0.001 and of 5, cut at 0 and
  1, because images lie in [0, 1]) and of the model (weights times N(1, 0.001²) and N(1, 2²)), K draws each.

Both are run on the same network, images and metrics as a calibration, which has a truth that they lack. Sparseness and
entropy never see the network: they show which of the three notices. Results go to `--out` as JSON.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xaijax import explain, models, training
from xaijax._runs import provenance
from xaijax.classifier import Classifier
from xaijax.metrics import METRICS, Scores, calibration, evaluate

HERE = Path(__file__).parent
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
SIDE = 4  # pixels of the image for each pixel of a digit
METHODS = ("gradient", "integrated_gradients", "grad_cam", "random")
EXPLAINED = "integrated_gradients"  # that is degraded
CHOSEN = (
    *("deletion_black", "deletion_mean", "insertion_black", "insertion_mean", "pixel_flipping", "road", "irof"),
    *("sic_mutual", "average_drop", "infidelity_patches", "faithfulness_correlation", "saco", "sparseness", "entropy"),
)
SETTINGS = calibration.QUICK_SETTINGS
LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MINOR, DISRUPTIVE = "minor", "disruptive"
INPUT = {MINOR: 0.001, DISRUPTIVE: 5.0}
WEIGHTS = {MINOR: 0.001, DISRUPTIVE: 2.0}
Maps = dict[str, NDArray[Any]]


def degraded(maps: Any, share: float, rng: np.random.Generator) -> NDArray[Any]:
    """Maps `[B, H, W]` in which a random share of the pixels exchange their values.

    Example:
        >>> maps = np.arange(8.0).reshape(1, 2, 4)
        >>> np.array_equal(degraded(maps, 0.0, np.random.default_rng(0)), maps)
        True
        >>> sorted(degraded(maps, 1.0, np.random.default_rng(0)).ravel()) == sorted(maps.ravel())
        True
    """
    flat = np.asarray(maps, np.float64).reshape(len(maps), -1).copy()
    for row in flat:
        places = rng.permutation(row.size)[: round(share * row.size)]
        row[places] = row[rng.permutation(places)]
    return flat.reshape(np.shape(maps))


def falls(values: Any, higher: bool) -> dict[str, float]:
    """How well scores `[images, levels]` fall with the level of degradation; 1 is perfect, 0 knows nothing.

    Returns:
        `macro`: Spearman correlation of the mean score with the level, its sign turned so that worse is lower;
        `micro`: mean over images of the same.

    Example:
        >>> falls([[3.0, 2.0, 1.0], [6.0, 4.0, 2.0]], True)
        {'macro': 1.0, 'micro': 1.0}
    """
    q = np.asarray(values, np.float64) * (1 if higher else -1)
    q = q[np.isfinite(q).all(axis=1)]
    levels = -np.arange(q.shape[1])
    each = [_spearman(row, levels) for row in q]
    return (
        {"macro": _spearman(q.mean(axis=0), levels), "micro": float(np.mean(each))}
        if each
        else _nothing("macro", "micro")
    )


def _spearman(one: Any, other: Any) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(stats.spearmanr(one, other).statistic)


def _nothing(*names: str) -> dict[str, float]:
    return dict.fromkeys(names, float("nan"))


def intra(before: Any, after: Any) -> float:
    """p of the two-sided Wilcoxon test of `[n]` paired scores, zero differences split; 1 where all are equal.

    Example:
        >>> intra([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
        1.0
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    there = np.isfinite(a) & np.isfinite(b)
    if not there.any():
        return float("nan")
    if (a[there] == b[there]).all():
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few pairs: the normal approximation
        return float(stats.wilcoxon(a[there], b[there], zero_method="zsplit").pvalue)


def inter_same(before: Any, after: Any) -> float:
    """Share of equal entries of the order of methods, of scores `[methods, n]`.

    Example:
        >>> inter_same([[1.0], [2.0]], [[1.5], [1.7]]), inter_same([[1.0], [2.0]], [[2.0], [1.0]])
        (1.0, 0.0)
    """
    a, b = (np.argsort(np.asarray(one, np.float64), axis=0, kind="stable") for one in (before, after))
    return float((a == b).mean()) if a.size else float("nan")


def inter_better(before: Any, after: Any, higher: bool) -> float:
    """Share of the scores `[methods, n]` that are better before a disruptive change.

    Example:
        >>> inter_better([[2.0, 1.0]], [[1.0, 2.0]], True)
        0.5
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    there = np.isfinite(a) & np.isfinite(b)
    return float((a > b if higher else a < b)[there].mean()) if there.any() else float("nan")


def digits() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """`[1797, 32, 32, 1]` and the classes."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.rint(found.images / 16 * 255).astype(np.uint8)
    return images.repeat(SIDE, axis=1).repeat(SIDE, axis=2)[..., None], found.target


def network(images: Any, labels: Any, seed: int) -> Classifier:
    """A small network, trained on the first 1,200 digits."""
    start = models.create("small_cnn", 10, images.shape[1:], classes=[str(k) for k in range(10)], width=16, key=seed)
    options = training.Options(epochs=15, batch_size=32, learning_rate=3e-3, augmentation=None, seed=seed)
    done = training.train(
        start, images[:1200], labels[:1200], validation=(images[1200:1400], labels[1200:1400]), options=options
    )
    return done.classifier


def maps_of(classifier: Classifier, images: Any, labels: Any, seed: int) -> Maps:
    """Maps of every method."""
    found = {}
    for name in METHODS:
        method = explain.METHODS[name]
        options = {"key": seed} if name == "random" else {}
        made = np.asarray(method.function(classifier, images, labels, **options), np.float64)
        found[name] = np.abs(made).sum(axis=-1) if made.ndim == 4 else np.abs(made)
    return found


def scored(classifier: Classifier, images: Any, labels: Any, maps: Maps) -> Scores:
    """Scores of all metrics."""
    return evaluate(classifier, images, labels, maps, metrics=list(CHOSEN), settings=SETTINGS, seed=0)


def table(scores: Scores, metric: str, methods: Sequence[str]) -> NDArray[np.float64]:
    """`[methods, images]` of one metric."""
    return np.stack([np.asarray(scores.select(metric=metric, method=name).value, np.float64) for name in methods])


def degradation(classifier: Classifier, images: Any, labels: Any, maps: Maps, seed: int) -> dict[str, Any]:
    """metric -> `falls`."""
    rng = np.random.default_rng([seed, 1])
    made = {f"{level:g}": degraded(maps[EXPLAINED], level, rng) for level in LEVELS}
    scores = scored(classifier, images, labels, made)
    return {name: falls(table(scores, name, list(made)).T, METRICS[name].higher_is_better) for name in CHOSEN}


def changed_model(classifier: Classifier, spread: float, rng: np.random.Generator) -> Classifier:
    """The same network, each weight times N(1, spread²); batch statistics stay, a variance must not be negative."""
    import jax

    from xaijax._network import nnx_module

    def changed(leaf: Any, moves: bool) -> Any:
        return np.asarray(leaf) * rng.normal(1, spread, np.shape(leaf)).astype(np.float32) if moves else leaf

    mask = nnx_module.trainable(classifier.network, classifier.params)
    return classifier.with_params(jax.tree.map(changed, classifier.params, mask))


def metaquantus(
    classifier: Classifier, images: Any, labels: Any, maps: Maps, draws: int, seed: int, said: Callable[[str], Any]
) -> dict[str, Any]:
    """metric -> the four numbers under changes of the input and of the model, and MC."""
    rng = np.random.default_rng([seed, 2])
    plain = images.astype(np.uint16) * 257  # fine enough for the minor noise
    first = scored(classifier, plain, labels, maps)
    before = np.asarray(classifier.predict(plain)).argmax(axis=1)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in CHOSEN}
    for what in ("input", "model"):
        for kind in (MINOR, DISRUPTIVE):
            for draw in range(draws):
                said(f"{what}, {kind}, {draw + 1} of {draws}")
                model, shown = classifier, plain
                if what == "input":
                    noise = rng.uniform(-INPUT[kind], INPUT[kind], plain.shape)
                    shown = np.rint(np.clip(plain / 65535 + noise, 0, 1) * 65535).astype(np.uint16)
                else:
                    model = changed_model(classifier, WEIGHTS[kind], rng)
                now = np.asarray(model.predict(shown)).argmax(axis=1)
                kept = np.flatnonzero(now == before if kind == MINOR else now != before)
                if not len(kept):
                    continue
                after = scored(model, shown[kept], labels[kept], maps_of(model, shown[kept], labels[kept], seed))
                for name in CHOSEN:
                    a, b = table(first, name, METHODS)[:, kept], table(after, name, METHODS)
                    p = float(np.nanmean([intra(x, y) for x, y in zip(a, b, strict=True)]))
                    own = found[name]
                    if kind == MINOR:
                        own.setdefault("IAC_NR", []).append(p)
                        own.setdefault("IEC_NR", []).append(inter_same(a, b))
                    else:
                        own.setdefault("IAC_AR", []).append(1 - p)
                        own.setdefault("IEC_AR", []).append(inter_better(a, b, METRICS[name].higher_is_better))
    return {
        name: (means := {key: float(np.nanmean(values)) for key, values in own.items()})
        | {"MC": float(np.mean(list(means.values())))}
        for name, own in found.items()
    }


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All three on the same network, images and metrics."""
    images, labels = digits()
    classifier = network(images, labels, options.seed)
    rest = np.arange(1400, len(images))
    predicted = np.asarray(classifier.predict(images[rest])).argmax(axis=1)
    accuracy = float((predicted == labels[rest]).mean())
    right = rest[predicted == labels[rest]][: options.count]
    shown, own = images[right], labels[right].astype(np.int32)
    maps = maps_of(classifier, shown, own, options.seed)
    print(f"accuracy on {len(rest)} test images: {accuracy:.3f}; {len(right)} images", flush=True)
    falling = degradation(classifier, shown, own, maps, options.seed)
    print("degraded explainers: done", flush=True)
    four = metaquantus(classifier, shown, own, maps, options.draws, options.seed, lambda text: print(text, flush=True))
    judged = calibration.calibrate(classifier, shown, own, metrics=list(CHOSEN), seed=options.seed)
    rows = []
    for name in CHOSEN:
        one = judged.metrics[name]
        numbers = one.numbers
        rows.append(
            {
                "metric": name,
                "degraded, macro": falling[name]["macro"],
                "degraded, micro": falling[name]["micro"],
                **four[name],
                "C": None if numbers is None else numbers.concordance.value,
                "D": None if numbers is None else numbers.twin.value,
                "noise beats truth": None if numbers is None else numbers.random_dominance.value,
                "verdict": one.verdict,
            }
        )
    return {
        "accuracy": accuracy,
        "images": len(right),
        "draws": options.draws,
        "rows": rows,
        "agree": agreement(rows),
        "constructions": {name: one["cases"] for name, one in judged.constructions.items()},
        "controls": judged.controls.passed,
    }


def agreement(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Rank correlation over metrics of each procedure with the concordance and the twin test."""
    found = {}
    for key in ("degraded, micro", "MC"):
        for other in ("C", "D"):
            pairs = [(row[key], row[other]) for row in rows if row[other] is not None and np.isfinite(row[key])]
            found[f"{key} and {other}"] = _spearman(*zip(*pairs, strict=True)) if len(pairs) > 2 else float("nan")
    return found


def page(found: dict[str, Any]) -> str:
    """The table in Markdown, the best concordance first."""
    columns = ["degraded, macro", "degraded, micro", "MC", "IAC_NR", "IAC_AR", "IEC_NR", "IEC_AR", "C", "D"]
    lines = [f"| metric | {' | '.join(columns)} | noise beats truth | verdict |", "|" + "---|" * (len(columns) + 3)]
    for row in sorted(found["rows"], key=lambda row: -(row["C"] or 0)):
        values = " | ".join("–" if row[key] is None else f"{row[key]:.2f}" for key in (*columns, "noise beats truth"))
        lines.append(f"| {row['metric']} | {values} | {row['verdict'].replace('_', ' ')} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, keeps the results, and writes the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=32, help="digits that are explained")
    parser.add_argument("--draws", type=int, default=5, help="changes of each kind (K)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "published_procedures.json")
    parser.add_argument("--write", type=Path, help="the page whose table is written again")
    options = parser.parse_args(argv)
    found = measured(options)
    said = {"command": f"python benchmarks/published_procedures.py --count {options.count} --draws {options.draws}"}
    options.out.write_text(json.dumps(said | found | provenance.describe(), indent=1) + "\n", "utf-8")
    if options.write is not None:
        text = options.write.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        options.write.write_text(f"{before}{BEGIN}\n{page(found)}\n{END}{rest.partition(END)[2]}", "utf-8")
    print(page(found))
    print(json.dumps(found["agree"], indent=1))


if __name__ == "__main__":
    main()
