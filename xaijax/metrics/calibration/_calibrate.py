"""Everything in one call."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xaijax import _options
from xaijax._options import Count, NonNegative
from xaijax.metrics import checks
from xaijax.metrics.calibration._evidence_free import evidence_free
from xaijax.metrics.calibration.case import Row
from xaijax.metrics.calibration.cue import PlantedCue, with_cue, without_cue
from xaijax.metrics.calibration.judging import judge
from xaijax.metrics.calibration.others import OtherMetric, check_others
from xaijax.metrics.calibration.planning import Depth, plan
from xaijax.metrics.calibration.result import Calibration
from xaijax.metrics.calibration.scoring import check_asked, score_case
from xaijax.metrics.calibration.verdict import Thresholds, check_thresholds
from xaijax.metrics.registry import FAMILIES


def calibrate(
    classifier: Any,
    images: Any,
    labels: Any,
    *,
    masks: Any = None,
    groups: Sequence[Any] | None = None,
    ids: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    others: Mapping[str, OtherMetric] | None = None,
    planted: PlantedCue | None = None,
    depth: Depth = "quick",
    constructions: Sequence[str] | None = None,
    textures: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    count: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    num_threads: int | None = None,
    minutes: float | None = None,
    thresholds: Thresholds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Which metrics can be believed for this classifier and these images.

    Args:
        classifier: a `Classifier`, or anything with `predict`; its output is softmax, sigmoid or binary.
        images: `[B, H, W, C]`, uint8, uint16, or float in [0, 1].
        labels: `[B]` int: the class of each image.
        masks, groups, ids, depth, constructions, textures, levels, count, seed, batch_size: as in `plan`.
        metrics, settings, others, num_threads: as in `score_case`. `metrics=()` judges `others` alone.
        planted: of `xaijax.training.plant_cue`: adds the construction `cue`, on which no verdict rests.
        minutes: no case is begun after this time; the cases that are left out are counted as `"no_time"`.
        thresholds: of the verdicts.
        progress: called as `progress(done, total)` with numbers of cases.

    Returns:
        `Calibration`.

    Raises:
        InputError: for values that are not allowed, before the model runs.

    Example:
        >>> class Bright:
        ...     classes = ("dark", "bright")
        ...     def predict(self, images):
        ...         p = 1 / (1 + np.exp(20 - 40 * images.max(axis=(1, 2, 3))))
        ...         return np.stack([1 - p, p], axis=1)
        >>> import numpy as np
        >>> images = np.zeros((8, 16, 16, 1), np.uint8)
        >>> images[:, 4:8, 4:8] = 200
        >>> calibrate(Bright(), images, [1] * 8, masks=images[..., 0] > 0, metrics=["sparseness"])
        Calibration(quick, 8 images, controls passed, 1 no)
    """
    start = time.monotonic()
    if minutes is not None:
        minutes = _options.check(NonNegative, minutes, "minutes")
    if num_threads is not None:
        num_threads = _options.check(Count, num_threads, "num_threads")
    check_thresholds(thresholds)
    check_asked(metrics, check_others(others))
    checks.check_settings(settings, FAMILIES)
    chosen = constructions if planted is None else without_cue(constructions)
    made = plan(
        classifier,
        images,
        labels,
        masks=masks,
        groups=groups,
        ids=ids,
        depth=depth,
        constructions=chosen,
        textures=textures,
        levels=levels,
        count=count,
        seed=seed,
        batch_size=batch_size,
    )
    if planted is not None:
        made = with_cue(made, planted)
    answers = evidence_free(made.model, made.images, seed=made.seed)
    rows: list[Row] = []
    late = 0
    for case in made.cases:
        if minutes is not None and rows and time.monotonic() - start > 60 * minutes:
            late += 1
            continue
        rows += score_case(made, case.number, metrics, settings, others, num_threads=num_threads)
        if progress is not None:
            progress(case.number + 1, len(made.cases))
    return judge(
        made,
        rows,
        thresholds,
        others=others,
        answers=answers,
        settings=made.settings(settings),
        left_out={"no_time": late} if late else None,
    )
