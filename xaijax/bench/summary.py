"""Statistics over the per-image scores of a run: means with bootstrap intervals."""

import dataclasses
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from xaijax._runs import tables
from xaijax.metrics import Scores


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the summary: a metric of a method on a model, over all findings or for one (`target`).

    `low` and `high` bound the bootstrap interval of the mean; they are NaN where fewer than two images have a value.
    Over all findings `n` counts pairs of image and finding, and images are drawn with all their findings.
    """

    model: str
    method: str
    metric: str
    mean: float
    median: float
    low: float
    high: float
    n: int
    skipped: int
    reasons: str
    target: str = ""


def summarise(scores: pa.Table, *, patients: Mapping[str, int] | None = None, seed: int = 0) -> list[Row]:
    """Groups per-image scores by model, method and metric, in their order of appearance.

    Args:
        scores: Table with the columns model, image, method, metric, value, reason.
        patients: image -> its patient, where several images are of one: they are drawn together.
        seed: Seed of the bootstrap.

    Returns:
        One `Row` per group; `reasons` reads like "12 x_0 already right; 3 constant image".
    """
    rows = []
    for model in dict.fromkeys(scores["model"].to_pylist()):
        own = Scores.from_arrow(scores.filter(pc.equal(scores["model"], model)))
        for row in own.summary(patients=patients, seed=seed):
            reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(row.skipped.items()))
            numbers = (row.mean, row.median, row.low, row.high, row.n)
            rows.append(Row(model, row.method, row.metric, *numbers, sum(row.skipped.values()), reasons, row.target))
    return rows


def to_csv(rows: Sequence[Row], verdicts: Mapping[tuple[str, str], str] | None = None) -> str:
    """The summary as CSV text, the fields of `Row`; the target only where there are findings.

    Args:
        rows: of the summary.
        verdicts: (model, metric) -> the verdict of the calibration, as one more column; None without a calibration.
    """
    names = [field.name for field in dataclasses.fields(Row)]
    if not any(row.target for row in rows):
        names.remove("target")
    own = [dataclasses.asdict(row) for row in rows]
    if verdicts:
        names.append("verdict")
        own = [row | {"verdict": verdicts.get((row["model"], row["metric"]), "")} for row in own]
    return tables.to_csv(own, names)
