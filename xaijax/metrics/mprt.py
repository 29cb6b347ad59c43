"""Maps of ever more random models: MPRT, smooth MPRT and efficient MPRT, which share the models and their maps.

With Φ the raw map of the trained model and Φ_l that after l layers were re-initialised, output first, L in all:

| metric | value | better |
|---|---|---|
| mprt | mean over l of the similarity of abs(Φ) and abs(Φ_l) | lower |
| smprt | the same for the means of Φ and of Φ_l over 50 noisy images, `x + N(0, (0.1 (max x - min x))²)` | lower |
| emprt | `(H(Φ_L) - H(Φ)) / H(Φ)`, H the natural-log entropy of the histogram of a map's values | higher |

MPRT calls noisy methods better than they are, since noise makes any two maps different; smooth MPRT averages it away.
Efficient MPRT needs one model, the fully random one. H counts the values in 100 bins over the map's own range, whatever
their places; maps keep their sign. A map with one value everywhere has H = 0 and no eMPRT.

The noise of an image is the same for all models and methods, and is not clipped. Quantus 0.6.0 begins at the input, and
leaves the 50th image without noise; the paper divides maps by the root of their mean square, which neither of the two
similarities sees.

References:
    Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018 (MPRT);
    Hedström et al., "A Fresh Look at Sanity Checks for Saliency Maps", 2024 (sMPRT, eMPRT).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax._ranges import beyond
from xaijax.metrics.changed import Floats, explain
from xaijax.metrics.consistency import WINDOW, compare
from xaijax.metrics.metric import Inputs, Metric, Row, image_seed, rows_of

PLAIN, SMOOTH, EFFICIENT = "mprt", "smprt", "emprt"
BINS = 100
DRAW = 5


def value_entropy(maps: Any, bins: int = BINS) -> Floats:
    """Natural-log entropy of the histogram of each map's values, in bins over its own range.

    Args:
        maps: `[B, H, W]`, any unit, finite.
        bins: how many.

    Returns:
        `[B]` nats, 0 for a map with one value.

    Example:
        >>> np.exp(value_entropy(np.array([[[0.0, 1.0], [2.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]]))).round(12).tolist()
        [4.0, 1.0]
    """
    found = []
    for one in np.asarray(maps, np.float64):
        low, high = one.min(), one.max()
        if 0 < high - low < 2 * bins * np.spacing(max(abs(low), abs(high))):
            one = (one - low) / (high - low)  # NumPy has no numbers for the edges of its bins
        shares = np.histogram(one, bins)[0] / one.size
        shares = shares[shares > 0]
        found.append(max(float(-(shares * np.log(shares)).sum()), 0.0))
    return np.array(found)


def smooth_maps(
    inputs: Inputs, images: NDArray[Any], methods: Sequence[str], classifier: Any, draws: int, noise: float
) -> dict[str, Floats]:
    """The mean of each method's raw maps `[B, H, W]` over noisy versions of the images."""
    generators = [np.random.default_rng(image_seed(inputs.seed, name, DRAW)) for name in inputs.ids]
    sizes = [noise * float(np.ptp(image)) for image in images]
    total = {method: np.zeros(images.shape[:3]) for method in methods}
    with beyond():  # noise is not clipped
        for _ in range(draws):
            moved = [rng.normal(0.0, size, images.shape[1:]) for rng, size in zip(generators, sizes, strict=True)]
            noisy = images + np.stack(moved).astype(np.float32)
            for method in methods:
                total[method] += explain(inputs, method, noisy, classifier=classifier)
    return {method: values / draws for method, values in total.items()}


def score_random_models(
    inputs: Inputs,
    images: NDArray[Any],
    methods: Sequence[str],
    asked: dict[str, list[Metric]],
    models: Iterable[tuple[float, Any]],
    *,
    draws: int,
    noise: float,
    bins: int = BINS,
) -> tuple[list[Row], list[tuple[Any, ...]]]:
    """Rows and curves of all metrics that look at random models.

    Args:
        inputs: as of the family.
        images: `[B, H, W, C]` float32 in [0, 1].
        methods: with an explainer.
        asked: kind -> metrics, out of `"mprt"`, `"smprt"`, `"emprt"`.
        models: (share of the layers re-initialised, classifier), ascending to 1.
        draws: of smooth MPRT.
        noise: of smooth MPRT, as a share of the image's range.
        bins: of efficient MPRT.
    """
    trained: dict[str, dict[str, Any]] = {PLAIN: {method: inputs.raw[method] for method in methods}}
    if SMOOTH in asked:
        trained[SMOOTH] = smooth_maps(inputs, images, methods, inputs.classifier, draws, noise)
    curved = [kind for kind in (PLAIN, SMOOTH) if kind in asked]
    found: dict[tuple[str, str], list[dict[str, Floats]]] = {(kind, m): [] for kind in curved for m in methods}
    shares: list[float] = []
    last: dict[str, Floats] = {}
    for share, model in models:
        shares.append(share)
        again: dict[str, dict[str, Any]] = {}
        if PLAIN in asked or (EFFICIENT in asked and share == 1):
            again[PLAIN] = {method: explain(inputs, method, images, classifier=model) for method in methods}
        if SMOOTH in asked:
            again[SMOOTH] = smooth_maps(inputs, images, methods, model, draws, noise)
        for kind, method in found:
            first, second = np.abs(trained[kind][method]), np.abs(again[kind][method])
            measures = [metric.measure for metric in asked[kind]]
            found[kind, method].append(compare(first, second, measures, num_threads=inputs.num_threads))
        if share == 1:
            last = again.get(PLAIN, {})
        if inputs.progress is not None:
            inputs.progress(int(share * len(images)), len(images))
    rows: list[Row] = []
    curves: list[tuple[Any, ...]] = []
    for method in methods:
        for metric in asked.get(EFFICIENT, ()):
            rows += rows_of(inputs.ids, method, metric, *_efficient(inputs.raw[method], last[method], bins))
        for kind in curved:
            flat = np.ptp(np.abs(trained[kind][method]), axis=(1, 2)) == 0
            for metric in asked[kind]:
                table = np.stack([one[metric.measure] for one in found[kind, method]])
                more, lines = _mean(inputs, method, metric, table, flat, np.asarray(shares))
                rows += more
                curves += lines
    return rows, curves


def _efficient(trained: Any, random: Any, bins: int) -> tuple[Floats, list[str]]:
    before, after = value_entropy(trained, bins), value_entropy(random, bins)
    values = np.divide(after - before, before, out=np.full(len(before), np.nan), where=before > 0)
    return values, ["" if h > 0 else "flat_map" for h in before]


def _mean(
    inputs: Inputs, method: str, metric: Metric, table: Floats, flat: NDArray[np.bool_], shares: Floats
) -> tuple[list[Row], list[tuple[Any, ...]]]:
    """The mean over the stages `[stages, B]` that have a similarity, and the curve."""
    # A random model may give a map that is zero everywhere (dead ReLUs): that stage has no similarity.
    there = ~np.isnan(table)
    count = there.sum(axis=0)
    total = np.where(there, table, 0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    small = metric.measure == "ssim" and min(inputs.images.shape[1:3]) < WINDOW
    reasons = [
        "small_map" if small else "flat_map" if one else "" if n else "no_stage"
        for one, n in zip(flat, count, strict=True)
    ]
    curves = [
        (name, method, metric.name, mean[i], shares[there[:, i]], table[there[:, i], i])
        for i, name in enumerate(inputs.ids)
        if count[i] and not reasons[i]
    ]
    return rows_of(inputs.ids, method, metric, mean, reasons), curves
