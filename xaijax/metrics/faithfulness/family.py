"""The family of faithfulness metrics: one stream of changed images for all of its algorithms.

f is what the model says of the label for an image: its probability, or with `target="logit"` its logit. S is a map as
scored, Φ the raw map with its sign, x the image in [0, 1], b the baseline. Subsets, groups and cells are made of
pixels; all channels of a pixel change together. `p` is always the probability. For outputs without one see
`xaijax.metrics.answers`.

An image goes through the model once intact for all metrics. Changed images that do not depend on the map are those of
all methods; what is drawn follows from the seed, the image's name and the metric.
"""

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax._ranges import beyond
from xaijax.metrics._curves import Responses
from xaijax.metrics._stream import stream
from xaijax.metrics.changed import class_scores, refuse_rounded, unit_images
from xaijax.metrics.faithfulness import (
    correlation,
    gap,
    influence,
    monotonicity,
    mu_fidelity,
    saco,
    sensitivity_n,
)
from xaijax.metrics.faithfulness.probe import Floats, Kind, Probe, Reading, Scene
from xaijax.metrics.faithfulness.settings import Settings
from xaijax.metrics.metric import Axes, Family, Inputs, Metric, Passes, Result, Row

NAME = "faithfulness"
KINDS: tuple[Kind, ...] = (
    correlation.KIND,
    mu_fidelity.KIND,
    sensitivity_n.KIND,
    saco.KIND,
    monotonicity.KIND,
    influence.KIND,
    gap.KIND,
)
Respond = Callable[[int, NDArray[np.float64]], Floats]
"""(number of the image, predictions `[n, K]`) -> f `[n]`"""


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps by how well they agree with the model on changed images."""
    asked = {metric.name for metric in metrics}
    wanted = [(kind, [name for name in kind.metrics if name in asked]) for kind in KINDS if asked & set(kind.metrics)]
    logits = [one for one in wanted if one[0].follows_target and settings.target == "logit"]
    others = [one for one in wanted if one not in logits]
    found: dict[tuple[int, str, str], Reading] = {}
    with beyond():  # noise is not clipped
        if others:
            found |= _run(inputs, others, settings, inputs.predict, lambda i, p: inputs.answers(i).response(p))
        if logits:
            scores = class_scores(inputs.classifier)
            found |= _run(inputs, logits, settings, scores, lambda i, values: values[:, inputs.labels[i]])
    rows: list[Row] = []
    curves: list[tuple[Any, ...]] = []
    for method in inputs.maps:
        absent = inputs.absent(method)
        for i, name in enumerate(inputs.ids):
            for metric in metrics:
                one = found.get((i, method, metric.name), Reading(np.nan, "flat_map"))
                reason = "empty_mask" if absent[i] else one.reason
                value = np.nan if reason else one.value
                rows.append((name, method, metric.name, value, reason))
                if metric.axes is not None and not reason:
                    curves.append((name, method, metric.name, value, one.fraction, one.curve))
    return Result(rows, responses=Responses.from_rows(curves))


def scene_of(inputs: Inputs, settings: Settings, index: int, image: NDArray[np.float32]) -> Scene:
    """An image with the maps that can be scored on it: those that vary."""
    maps, raw = {}, {}
    for method, values in inputs.maps.items():
        signed = inputs.raw.get(method, values)[index]  # the ground truth has no raw map
        if np.ptp(values[index]) > 0 and np.ptp(signed) > 0:
            maps[method], raw[method] = values[index], signed
    return Scene(image, maps, raw, settings, inputs.seed, inputs.ids[index])


def _run(
    inputs: Inputs,
    wanted: Sequence[tuple[Kind, Sequence[str]]],
    settings: Settings,
    predict: Callable[[NDArray[Any]], Any],
    respond: Respond,
) -> dict[tuple[int, str, str], Reading]:
    """All metrics that read one f: `{(image, method, metric): reading}`."""
    images = unit_images(inputs.images)
    shape = (images.shape[1], images.shape[2])
    each = [kind.passes(settings, shape, names) for kind, names in wanted]
    total = len(images) * (1 + sum(shared + own * len(inputs.maps) for shared, own in each))
    size = min(inputs.batch_size, max(total, 1))
    silent: list[tuple[int, Probe]] = []  # nothing to ask of the model, only a reason to give

    def pieces() -> Iterator[tuple[tuple[int, Probe | None, Hashable], NDArray[np.float32]]]:
        for i, image in enumerate(images):
            scene = scene_of(inputs, settings, i, image)
            if scene.maps:
                yield (i, None, ""), image[None]
            for kind, names in wanted if scene.maps else ():
                probe, asked = kind.probe(scene, names), False
                for key, changed in probe.images(size):
                    asked = True
                    yield (i, probe, key), changed
                if not asked:
                    silent.append((i, probe))
            if inputs.progress is not None:
                inputs.progress(i + 1, len(images))

    found: dict[tuple[int, str, str], Reading] = {}
    intact = np.nan
    for (i, probe), group in itertools.groupby(stream(predict, pieces(), size), key=lambda one: one[0][:2]):
        parts: dict[Hashable, list[Floats]] = {}
        for (_, _, key), predictions in group:
            parts.setdefault(key, []).append(respond(i, predictions))
        responses = {key: np.concatenate(some) for key, some in parts.items()}
        if probe is None:
            intact = float(responses[""][0])
            continue
        found |= {(i, *key): reading for key, reading in probe.read(intact, responses).items()}
    for i, probe in silent:
        found |= {(i, *key): reading for key, reading in probe.read(np.nan, {}).items()}
    return found


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """The intact image and what all maps share, and what each map has of its own."""
    names = {metric.name for metric in metrics}
    wanted = [(kind, [name for name in kind.metrics if name in names]) for kind in KINDS if names & set(kind.metrics)]
    found = [kind.passes(settings, size, some) for kind, some in wanted]
    calls = 1 if settings.target == "probability" else len({kind.follows_target for kind, _ in wanted})
    return Passes(calls + sum(shared for shared, _ in found), sum(own for _, own in found))


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses logits of a model that has none, and noise for a model that sees 8-bit images only."""
    names = {metric.name for metric in metrics}
    host = getattr(getattr(inputs.classifier, "network", None), "host", False)
    followed = [name for kind in KINDS if kind.follows_target for name in kind.metrics if name in names]
    scores = callable(getattr(inputs.classifier, "scores", None))
    silent = inputs.output != "regression" and not scores and (host or not hasattr(inputs.classifier, "logits"))
    if settings.target == "logit" and followed and silent:
        raise InputError(
            "faithfulness.target is logit, but the model gives probabilities only: choose probability for "
            f"{followed[0]}"
        )
    for name in gap.NOISY:
        if name in names:
            refuse_rounded(inputs, name)


_BHATT, _ARYA, _OPENXAI = "Bhatt et al., IJCAI 2020", "Arya et al., 2019", "Agarwal et al., NeurIPS 2022"
_LOOP = "closed form: linear model; loop over the definition"
_RAW = frozenset({"model", "raw"})


def _axes(title: str, across: str, up: str) -> Axes:
    return Axes(title, across, up, "perturbation")


_SHOWN = ("share of the pixels shown, smallest magnitudes first", "probability of the explained class")

FAMILY = Family(
    NAME,
    (
        Metric(
            "faithfulness_correlation", NAME, "correlation of a map's sums over random subsets with what removal does",
            True, (-1.0, 1.0), "score", _RAW, _BHATT, parity=_LOOP,
        ),
        Metric(
            "mu_fidelity", NAME, "rank correlation of a map's sums over random cells of a grid with what removal does",
            True, (-1.0, 1.0), "score", _RAW, f"{_BHATT}; Fel et al., NeurIPS 2021", parity=_LOOP, title="μFidelity",
        ),
        Metric(
            "sensitivity_n", NAME, "mean over n of the correlation over random subsets of n pixels", True, (-1.0, 1.0),
            "score", _RAW, "Ancona et al., ICLR 2018", parity=_LOOP, title="sensitivity-n",
            axes=_axes("sensitivity-n", "share of the pixels removed", "correlation over subsets"),
        ),
        Metric(
            "saco", NAME, "salience-weighted agreement of the order of groups by salience and by effect (SaCo)", True,
            (-1.0, 1.0), "score", frozenset({"model"}), "Wu et al., CVPR 2024", parity=_LOOP, title="SaCo",
        ),
        Metric(
            "monotonicity", NAME, "1 if the probability never falls as pixels appear, least important first", True,
            (0.0, 1.0), "share", _RAW, _ARYA, parity=_LOOP, axes=_axes("monotonicity", *_SHOWN),
        ),
        Metric(
            "monotonicity_share", NAME, "share of the steps at which it does not fall", True, (0.0, 1.0), "share",
            _RAW, f"after {_ARYA}", parity=_LOOP, axes=_axes("monotonicity share", *_SHOWN),
        ),
        Metric(
            "monotonicity_spearman", NAME, "rank correlation of the steps with it", True, (-1.0, 1.0), "score", _RAW,
            f"after {_ARYA}", parity=_LOOP, axes=_axes("monotonicity spearman", *_SHOWN),
        ),
        Metric(
            "monotonicity_correlation", NAME, "rank correlation of a map's sums over cells with how random contents "
            "of each cell move the prediction", True, (-1.0, 1.0), "score", _RAW, "Nguyen and Martínez, 2020",
            parity=_LOOP,
        ),
        Metric(
            "pgi", NAME, "mean change of the prediction under noise on the important pixels (PGI)", True, (0.0, None),
            "probability", _RAW, _OPENXAI, parity=_LOOP, title="PGI",
        ),
        Metric(
            "pgu", NAME, "mean change of the prediction under noise on the other pixels (PGU)", False, (0.0, None),
            "probability", _RAW, _OPENXAI, parity=_LOOP, title="PGU",
        ),
        Metric(
            "pgi_removal", NAME, "change of the prediction as the important pixels are removed", True, (0.0, None),
            "probability", _RAW, f"after {_OPENXAI}", parity=_LOOP, title="PGI removal",
        ),
        Metric(
            "pgu_removal", NAME, "change of the prediction as the other pixels are removed", False, (0.0, None),
            "probability", _RAW, f"after {_OPENXAI}", parity=_LOOP, title="PGU removal",
        ),
    ),
    score,
    settings=Settings,
    title="Faithfulness",
    check=check,
    passes=passes,
    reasons={
        "flat_claims": "the map claims the same of all changed images",
        "flat_answers": "the model answers the same to all changed images",
        "flat_magnitudes": "the magnitudes of the map are the same everywhere",
    },
    oracle=True,
)  # fmt: skip
