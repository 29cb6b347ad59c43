"""How well maps point at masks: ranking, overlap and energy scores, one value per image.

Maps are `[..., H, W]` in any unit, masks `[..., H, W]` bool or uint8 (nonzero is inside). m is the mask and S the map
after ReLU and min-max scaling to [0, 1] per image; an all-equal map becomes 0 everywhere. Ranks and thresholds are
invariant under flips and transposes, ties included: nothing depends on the order of the pixels.

Well-known implementations differ: scikit-learn ranks the map without ReLU (`relu=False` here), and breaks no ties
either; `argmax`-based pointing games take the first of tied pixels; top-k by sorting picks some of the tied.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks

SCORES = (
    "average_precision",
    "roc_auc",
    "iou",
    "iou_top_k",
    "iou_otsu",
    "dice",
    "pointing_game",
    "energy",
    "top_energy",
    "top_precision",
    "rank_accuracy",
    "mass_accuracy",
    "centroid_distance",
    "boundary_f1",
)
"""Names of the scores, in the order of the compiled kernel."""

REASONS = ("", "the mask is empty", "the mask covers the image", "the map is flat", "the map is not finite")
"""Why a score is NaN, by reason code."""


class Localization(NamedTuple):
    """Scores of a batch: `values[name]` `[...]`, NaN where there is none, and `reasons[name]` `[...]` uint8.

    A reason is an index into `LOCALIZATION_REASONS`: 0 where there is a value.
    """

    values: dict[str, Any]
    reasons: dict[str, Any]

    def __repr__(self) -> str:
        shape = next(iter(self.values.values())).shape if self.values else ()
        pairs = "one map" if not shape else f"{'x'.join(map(str, shape))} maps"
        return f"Localization({pairs}, {len(self.values)} scores: {_arrays.shortened(', '.join(self.values))})"


def localization_scores(
    maps: Any,
    masks: Any,
    *,
    scores: Sequence[str] | None = None,
    threshold: float = 0.5,
    percent: float = 15.0,
    tolerance: float = 0.0,
    relu: bool = True,
    num_threads: int | None = None,
) -> Localization:
    """Scores of each map against its mask.

    | score | definition | range |
    |---|---|---|
    | `average_precision` | `Σ_n (R_n - R_{n-1}) P_n` over the distinct values, as scikit-learn's | 0 to 1 |
    | `roc_auc` | share of (inside, outside) pixel pairs in the right order, ties half | 0 to 1 |
    | `iou`, `dice` | of `S >= threshold` and m | 0 to 1 |
    | `iou_top_k` | of the values at least the k-th largest, k = ⌈percent/100 · pixels⌉, and m | 0 to 1 |
    | `iou_otsu` | of `S >` Otsu's threshold (256 bins, as scikit-image's) and m | 0 to 1 |
    | `pointing_game` | share of the largest pixels that lie within `tolerance` of m | 0 to 1 |
    | `energy` | `Σ_m S / Σ S` | 0 to 1 |
    | `top_energy` | the same over the k largest pixels | 0 to 1 |
    | `top_precision` | share of the k largest pixels inside m | 0 to 1 |
    | `rank_accuracy` | share of the \\|m\\| largest pixels inside m | 0 to 1 |
    | `mass_accuracy` | `Σ_m relu(map) / Σ relu(map)`, not min-max scaled | 0 to 1 |
    | `centroid_distance` | between the centroid of S and that of m, smaller is better | pixels |
    | `boundary_f1` | `2·both/(one + other)` of the 2-pixel boundaries of `S >= threshold` and m | 0 to 1 |

    Where "the k largest" is cut inside a group of equal pixels, the group fills the places left in equal parts (the
    mean over all ways to break the tie). A boundary pixel has a 4-neighbour on the other side.

    Args:
        maps: `[..., H, W]` floats, any unit. NumPy, JAX, PyTorch or DLPack.
        masks: `[..., H, W]`, bool or uint8; leading axes broadcast to those of `maps` (one mask for many maps).
        scores: names out of `LOCALIZATION_SCORES`; only these are computed. Default: all.
        threshold: of S, for `iou`, `dice` and `boundary_f1`; above 0 and at most 1.
        percent: of the pixels, above 0 and at most 100, for `iou_top_k`, `top_energy` and `top_precision`.
        tolerance: of the pointing game, pixels (Euclidean); the original game used 15.
        relu: whether negative values count as 0 first. With False S is the min-max scaled map.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `Localization(values, reasons)`: dictionaries by score name; `values[name]` is `[...]` float64 (float32 for
        JAX arrays unless x64 is on), NaN where there is no value; `reasons[name]` is `[...]` uint8, an index into
        `LOCALIZATION_REASONS`. An empty mask has no value in any score.

    Raises:
        TypeError: for other dtypes or objects that are no CPU arrays.
        ValueError: for shapes that do not fit, options out of range, and NaN or infinity in a NumPy map (it names the
            image; JAX arrays get NaN with the reason instead).

    References:
        Zhang et al., "Top-down Neural Attention by Excitation Backprop", IJCV 2018 (pointing game);
        Wang et al., "Score-CAM", CVPRW 2020 (energy); Arras et al., "CLEVR-XAI", Information Fusion 2022 (rank and
        mass accuracy); Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013
        (boundary F1).

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> mask = np.zeros((4, 4), bool)
        >>> mask[:2, :2] = True
        >>> found = kernels.localization_scores(mask + np.eye(4, dtype=np.float32) / 2, mask, scores=["iou", "energy"])
        >>> round(float(found.values["iou"]), 3), round(float(found.values["energy"]), 3)
        (1.0, 0.833)
    """
    names = list(SCORES) if scores is None else _checks.some_of(scores, "scores", SCORES)
    wanted = sum(1 << SCORES.index(name) for name in names)
    threshold = _checks.number(threshold, "threshold", "above 0 and at most 1", lambda value: 0.0 < value <= 1.0)
    percent = _checks.number(percent, "percent", "above 0 and at most 100", lambda value: 0.0 < value <= 100.0)
    tolerance = _checks.number(tolerance, "tolerance", "0 or more pixels", lambda value: 0.0 <= value < math.inf)
    relu = _checks.flag(relu, "relu")
    threads = _backend.num_threads(num_threads)
    home, (maps, masks) = _arrays.read(maps=maps, masks=masks)
    _arrays.check_maps(maps)
    _arrays.check_dtype(masks, "masks", _arrays.MASK_DTYPES)
    _arrays.check_serves(masks, "masks", maps, "maps")
    maps, masks = home.ready(maps), home.ready(masks)
    options = (wanted, relu, threshold, percent, tolerance)
    lead = maps.shape[:-2]
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        shape = (*lead, len(names))
        values, reasons = _ffi.call(
            "localization_scores",
            [jax.ShapeDtypeStruct(shape, _ffi.real_dtype()), jax.ShapeDtypeStruct(shape, np.uint8)],
            maps,
            _arrays.with_batch_rank(masks, 2, len(lead)),
            fallback=lambda m, inside: _numba(m, inside, *options),
            wanted=np.int64(wanted),
            relu=relu,
            threshold=np.float64(threshold),
            percent=np.float64(percent),
            tolerance=np.float64(tolerance),
        )
        return _by_name(names, values, reasons)
    masks = masks.view(np.uint8)
    if _backend.use_numba():
        values, reasons = _numba(maps, masks, *options)
    else:
        mask_of = _arrays.owners(masks.shape[:-2], lead)
        values, reasons = _backend.core().localization_scores(maps, masks, mask_of, *options, threads)
    broken = np.flatnonzero((reasons.reshape(-1, len(names)) == REASONS.index("the map is not finite")).any(axis=1))
    if broken.size:
        where = np.unravel_index(broken[0], lead) if lead else ()
        raise ValueError(
            f"maps must be finite; image {list(map(int, where))} of maps {list(maps.shape)} holds NaN or infinity: "
            "leave it out or repair it"
        )
    return _by_name(names, home.give(values), home.give(reasons))


def _by_name(names: list[str], values: Any, reasons: Any) -> Localization:
    return Localization(
        {name: values[..., i] for i, name in enumerate(names)},
        {name: reasons[..., i] for i, name in enumerate(names)},
    )


def _numba(maps: np.ndarray, masks: np.ndarray, *options: Any) -> tuple[np.ndarray, np.ndarray]:
    from xaijax.kernels._numba import localization as numba_localization

    # Under vmap an operand that is not mapped comes with an axis of length 1.
    lead = np.broadcast_shapes(maps.shape[:-2], masks.shape[:-2])
    maps, mask_of = np.broadcast_to(maps, (*lead, *maps.shape[-2:])), _arrays.owners(masks.shape[:-2], lead)
    return numba_localization.localization_scores(maps, masks.view(np.uint8), mask_of, *options)
