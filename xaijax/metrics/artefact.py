"""Does a map mark a known artefact (a burnt-in label, a ruler, planted text), and more than the lesion?

The masks have the role `"artefact"`; where there are lesion masks too (`masks={"artefact": ..., "lesion": ...}`) the
two are weighed against each other. The map counts by its positive part.

| metric | value |
|---|---|
| artefact_mass | `Σ_artefact relu(S) / Σ relu(S)` |
| artefact_top15 | share of the 15 % largest pixels that lie on the artefact |
| artefact_mass_against_lesion | `mass on artefact / (mass on artefact + mass on lesion)`; 0.5 is a draw |
| artefact_top15_against_lesion | the same of the 15 % largest pixels |

Lower is better in the sense that the model, as the method explains it, does not lean on the artefact. Where a model was
made to use one, a faithful map marks it: then the value tells of the model, not of the method.

References:
    Arras et al., "CLEVR-XAI", Information Fusion 2022 (mass accuracy).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax.metrics.metric import ARTEFACT_ROLE, LESION_ROLE, Family, Inputs, Metric, NoSettings, Result, Row, rows_of

NAME = "artefact"
PERCENT = 15.0
SCORES = {"mass": "mass_accuracy", "top15": "top_precision"}
Floats = NDArray[np.float64]


def _shares(inputs: Inputs, method: str, role: str, what: str) -> tuple[Floats, Floats]:
    """`[B]` share of the map on the masks of a role, 0 where the mask is empty; `[B]` the kernel's reason."""
    maps, masks = np.ascontiguousarray(inputs.maps[method]), np.ascontiguousarray(inputs.masks[role])
    name = SCORES[what]
    found = kernels.localization_scores(maps, masks, scores=[name], percent=PERCENT, num_threads=inputs.num_threads)
    return np.where(masks.any(axis=(1, 2)), found.values[name], 0.0), found.reasons[name]


def score(inputs: Inputs, metrics: Sequence[Metric], settings: NoSettings) -> Result:
    """Scores maps against artefact masks; images without a mask that is asked for have no value."""
    rows: list[Row] = []
    for method, maps in inputs.maps.items():
        flat = np.ptp(maps, axis=(1, 2)) == 0
        nothing = ~(maps > 0).any(axis=(1, 2))
        for metric in metrics:
            what = metric.measure
            empty = np.any([~inputs.masks[role].any(axis=(1, 2)) for role in metric.roles], axis=0)
            values, _ = _shares(inputs, method, ARTEFACT_ROLE, what)
            elsewhere = np.zeros(len(maps), bool)
            if LESION_ROLE in metric.roles:
                both = values + _shares(inputs, method, LESION_ROLE, what)[0]
                elsewhere = ~(both > 0)
                values = values / np.where(elsewhere, 1.0, both)
            reasons = np.select(
                [empty, flat, nothing, elsewhere],
                ["empty_mask", "flat_map", "not_positive", "on_neither"],
                "",
            )
            rows += rows_of(inputs.ids, method, metric, values, reasons.tolist())
    return Result(rows)


def _metric(name: str, summary: str, roles: tuple[str, ...], what: str) -> Metric:
    return Metric(
        name, NAME, summary, False, (0.0, 1.0), "share", frozenset({"mask"}),
        "after Arras et al., Information Fusion 2022", parity="closed form", roles=roles, measure=what,
    )  # fmt: skip


_BOTH = (ARTEFACT_ROLE, LESION_ROLE)
FAMILY = Family(
    NAME,
    (
        _metric("artefact_mass", "share of the positive attribution on the artefact", (ARTEFACT_ROLE,), "mass"),
        _metric("artefact_top15", "share of the 15 % largest pixels on the artefact", (ARTEFACT_ROLE,), "top15"),
        _metric(
            "artefact_mass_against_lesion", "the artefact's part of the mass on artefact and lesion", _BOTH, "mass"
        ),
        _metric(
            "artefact_top15_against_lesion", "the artefact's part of the 15 % largest pixels on both", _BOTH, "top15"
        ),
    ),
    score,
    title="Artefact",
    reasons={"on_neither": "the map marks neither the artefact nor the lesion"},
)
