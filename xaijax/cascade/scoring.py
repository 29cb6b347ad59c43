"""A cascade against single methods on held-out images: scores, paired tests, hits of every element, accuracy, time.

Localization counts against the lesion (or object), mass against the artefact. The single methods explain the classifier
of round 0, which is the one that a user without a cascade would have.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from xaijax import kernels
from xaijax._batches import positions as batches
from xaijax._runs import progress
from xaijax._runs.data import choose
from xaijax.classifier import Classifier
from xaijax.data import Batch, Dataset, cover
from xaijax.explain import METHODS
from xaijax.explain.cascade._trained import explain_maps
from xaijax.metrics import Scores, evaluate
from xaijax.metrics.statistics import compare_two, holm
from xaijax.training import classification_scores

if TYPE_CHECKING:
    from rich.console import Console

LESION_METRICS = ("average_precision", "iou", "pointing_game", "top15_energy")
ARTEFACT_METRICS = ("artefact_mass", "artefact_top15")
BOTH_METRICS = ("artefact_mass_against_lesion",)
TOP = 0.15  # the share of the pixels that an element must be among


@dataclass(frozen=True)
class Heldout:
    """Images that no classifier was trained on, at the classifiers' size, with their masks.

    Args:
        batch: the images as read.
        labels: `[N]` int32, counted in the classes of the classifiers.
        covered: `[N, H, W, C]` uint8, the same images with their artefacts covered, or None where there are none.
    """

    batch: Batch
    labels: np.ndarray
    covered: np.ndarray | None

    @classmethod
    def read(
        cls,
        dataset: Dataset,
        positions: Sequence[int],
        shape: tuple[int, int, int],
        class_index: Sequence[int],
        most: int | None,
        seed: int,
    ) -> "Heldout":
        """Read them; where not all are wanted, evenly over the classes."""
        wanted = np.asarray(positions)
        if most is not None and most < len(wanted):
            wanted = np.sort(wanted[choose(dataset.labels[wanted], most, seed)])
        batch = dataset.read(wanted, shape, digests=True)
        covered = None
        if "artefact" in batch.roles:
            covered = cover(dataset).read(batch.indices, shape, masks=False).images
        return cls(batch, np.asarray(class_index, np.int32)[batch.labels], covered)


def single_maps(
    classifier: Classifier, heldout: Heldout, methods: Sequence[str], seed: int, batch_size: int, console: "Console"
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Maps of single methods, as evidence, and seconds per image without compilation."""
    maps, seconds = {}, {}
    for name in methods:
        try:
            maps[name], seconds[name] = timed(
                lambda x, y, name=name: METHODS[name].maps(classifier, x, y, seed=seed, batch_size=batch_size),
                heldout,
                batch_size,
            )
        except (ValueError, TypeError) as error:  # a model that ends in another way, or without biases
            progress.say(console, f"{name} is left out: {error}")
            continue
        maps[name] = METHODS[name].evidence(maps[name])
    return maps, seconds


def timed(explain: Any, heldout: Heldout, batch_size: int) -> tuple[np.ndarray, float]:
    """`explain(images, labels)` over held-out images, on the last axes but two, and seconds per image.

    The first batch compiles, so it runs twice and the second run counts.
    """
    parts, spent = [], 0.0
    for number, (positions, kept) in enumerate(batches(len(heldout.labels), batch_size)):
        x, y = heldout.batch.images[positions], heldout.labels[positions]
        if number == 0:
            jax.block_until_ready(explain(x, y))
        begun = time.perf_counter()
        found = np.asarray(explain(x, y))
        spent += (time.perf_counter() - begun) * kept / len(positions)
        parts.append(found[..., :kept, :, :])
    return np.concatenate(parts, axis=-3), spent / len(heldout.labels)


def cascade_maps(maps: np.ndarray, counts: Sequence[int], threshold: str, decay: float) -> dict[str, np.ndarray]:
    """`"cascade K=k"` -> `[N, H, W]` from the rounds' maps `[K, N, H, W]`, for every number of rounds."""
    return {name(count): np.asarray(explain_maps(maps[:count], threshold, decay)) for count in counts}


def name(count: int) -> str:
    """What the cascade of so many rounds is called in tables."""
    return f"cascade K={count}"


def score(maps: Mapping[str, np.ndarray], heldout: Heldout) -> Scores:
    """Scores of maps per image; only of the roles that the images have masks of."""
    batch = heldout.batch
    metrics: tuple[str, ...] = ()
    if "lesion" in batch.roles:
        metrics += LESION_METRICS
    if "artefact" in batch.roles:
        metrics += ARTEFACT_METRICS
    if {"lesion", "artefact"} <= set(batch.roles):
        metrics += BOTH_METRICS
    if not metrics:
        return Scores()
    finite = {method: np.ascontiguousarray(values, np.float32) for method, values in maps.items()}
    return evaluate(None, batch.images, heldout.labels, finite, dict(batch.roles), metrics=metrics, ids=list(batch.ids))


def means(scores: Scores) -> list[dict[str, Any]]:
    """One row per method: its mean in every metric, over the images that have a value, and their number."""
    rows: dict[str, dict[str, Any]] = {method: {"method": method} for method in scores.methods()}
    for metric in scores.metrics():
        _, methods, values = scores.matrix(metric)
        for column, method in enumerate(methods):
            own = values[:, column][~np.isnan(values[:, column])]
            rows[method][metric] = float(own.mean()) if len(own) else None
            rows[method][f"{metric}_images"] = len(own)
    return list(rows.values())


def tests(scores: Scores, seed: int) -> list[dict[str, Any]]:
    """Every cascade against every single method: paired tests, Holm's correction over the pairs of a metric."""
    rows: list[dict[str, Any]] = []
    for metric in scores.metrics():
        _, methods, values = scores.matrix(metric)
        cascades = [i for i, method in enumerate(methods) if method.startswith("cascade ")]
        singles = [i for i in range(len(methods)) if i not in cascades]
        pairs = [
            compare_two(values[:, i], values[:, j], first=methods[i], second=methods[j], seed=seed)
            for i in cascades
            for j in singles
        ]
        of_t, of_w = holm([pair.p_t for pair in pairs]), holm([pair.p_w for pair in pairs])
        rows += [
            {
                "metric": metric,
                "cascade": pair.first,
                "method": pair.second,
                "images": pair.n,
                "difference": pair.difference,
                "low": pair.low,
                "high": pair.high,
                "p_t_holm": float(t),
                "p_wilcoxon_holm": float(w),
                "cohens_d": pair.cohens_d,
                "note": pair.note,
            }
            for pair, t, w in zip(pairs, of_t, of_w, strict=True)
        ]
    return rows


def hits(maps: Mapping[str, np.ndarray], heldout: Heldout) -> list[dict[str, Any]]:
    """How much of every element (a lesion, a cue) each method finds.

    Returns:
        One row per method and element: `images` that have it; `found`, the mean share of its pixels among the 15 %
        largest of the map (a tie fills the places that are left in equal parts); `hit`, the share of these images where
        that is half or more; `pointed`, the share of the largest pixel (or pixels) that lies in it.
    """
    rows = []
    for method, values in maps.items():
        seen: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for one, elements in zip(values, heldout.batch.elements, strict=True):
            present = [element for element in elements if element.mask.any()]
            if not present or np.ptp(one) == 0:  # a map that is all one value points nowhere
                continue
            masks = np.stack([element.mask for element in present])
            scored = kernels.localization_scores(
                np.ascontiguousarray(np.broadcast_to(one, masks.shape), np.float32),
                masks,
                scores=["top_precision", "pointing_game"],
                percent=100 * TOP,
            ).values
            shares = scored["top_precision"] * np.ceil(TOP * one.size) / masks.sum((1, 2))
            for element, share, pointed in zip(present, shares, scored["pointing_game"], strict=True):
                seen.setdefault((element.name, element.role or ""), []).append((float(share), float(pointed)))
        for (element_name, role), found in seen.items():
            shares, pointed = np.array(found).T
            rows.append(
                {
                    "method": method,
                    "element": element_name,
                    "role": role,
                    "images": len(found),
                    "found": float(shares.mean()),
                    "hit": float((shares >= 0.5).mean()),
                    "pointed": float(pointed.mean()),
                }
            )
    return rows


def accuracies(classifiers: Sequence[Classifier], heldout: Heldout, batch_size: int) -> list[dict[str, Any]]:
    """Accuracy of every round's classifier on the intact images, and with their artefacts covered."""
    rows = []
    for number, classifier in enumerate(classifiers):
        found = classification_scores(classifier, heldout.batch.images, heldout.labels, batch_size=batch_size)
        row = {"round": number, "accuracy": found["accuracy"], "macro_f1": found["macro_f1"]}
        if heldout.covered is not None:
            bare = classification_scores(classifier, heldout.covered, heldout.labels, batch_size=batch_size)
            row |= {"accuracy_covered": bare["accuracy"], "macro_f1_covered": bare["macro_f1"]}
        rows.append(row)
    return rows


def costs(
    counts: Sequence[int], rounds: int, per_image: float, prepared: Sequence[float], singles: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Time of cascades and single methods, and from how many images on a cascade is quicker.

    Args:
        counts: numbers of rounds.
        rounds: K, the rounds that `per_image` was measured with.
        per_image: seconds to explain an image with all rounds; fewer rounds take their share of it.
        prepared: seconds that every round took before anything can be explained (training, maps, thresholds, saving).
        singles: method -> seconds per image.

    Returns:
        One row per number of rounds and method: `break_even` images from which on preparing and explaining take less
        than the method, or None where they never do.
    """
    rows = []
    for count in counts:
        own, once = per_image * count / rounds, float(sum(prepared[:count]))
        for method, other in singles.items():
            rows.append(
                {
                    "cascade": name(count),
                    "prepared_seconds": once,
                    "seconds_per_image": own,
                    "method": method,
                    "method_seconds_per_image": other,
                    "break_even": int(np.ceil(once / (other - own))) if other > own else None,
                }
            )
    return rows
