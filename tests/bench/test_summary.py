import csv
import io

import numpy as np
import pytest
from scipy import stats

from xaijax.bench import columns
from xaijax.bench.store import SCORES
from xaijax.bench.summary import summarise, to_csv
from xaijax.metrics.statistics import mean_interval


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(1).gamma(2.0, size=60)
    low, high = mean_interval(values, draws=20_000)
    peer = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2))
    # Two independent sets of 20,000 resamples: the ends have a standard error of about 1 % of the width.
    width = peer.confidence_interval.high - peer.confidence_interval.low
    assert low == pytest.approx(peer.confidence_interval.low, abs=0.05 * width)
    assert high == pytest.approx(peer.confidence_interval.high, abs=0.05 * width)


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(3)
    inside = 0
    for trial in range(200):
        low, high = mean_interval(rng.normal(5.0, 1.0, 40), seed=trial, draws=400)
        inside += low <= 5.0 <= high
    # 95 % of 200 is 190; the percentile interval is a little short at n = 40, four standard errors are 12.
    assert 174 <= inside <= 200


def test_interval_of_few_or_equal_values():
    assert np.isnan(mean_interval(np.array([1.0]))).all()
    assert np.isnan(mean_interval(np.array([]))).all()
    assert mean_interval(np.full(5, 0.25)) == (0.25, 0.25)
    with pytest.raises(ValueError, match=r"\[N\]"):
        mean_interval(np.zeros((2, 2)))


def test_summary_counts_values_and_reasons(made):
    rows = summarise(columns.of_table(made.table(made.score_rows([f"i{n}" for n in range(6)]), SCORES)))
    found = {(row.method, row.metric): row for row in rows}
    row = found["grad_cam", "sic_webp"]
    assert (row.n, row.skipped, row.reasons) == (5, 1, "1 information_not_larger")
    assert row.low <= row.mean <= row.high
    assert found["random", "iou"].n == 6
    assert ("oracle", "iou") not in found


def test_a_method_without_any_value_is_still_a_line(made):
    rows = summarise(columns.of_table(made.table([("m", "x", "a", "iou", float("nan"), "empty_mask")], SCORES)))
    assert len(rows) == 1
    assert np.isnan(rows[0].mean)
    assert rows[0].skipped == 1
    assert next(csv.DictReader(io.StringIO(to_csv(rows))))["mean"] == ""


def test_summary_csv_reads_back(made):
    rows = summarise(columns.of_table(made.table(made.score_rows(["a", "b", "c"]), SCORES)))
    read = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert list(read[0]) == [
        "model", "method", "metric", "mean", "median", "low", "high", "n", "skipped", "reasons",
    ]  # fmt: skip
    assert [float(line["mean"]) for line in read] == pytest.approx([row.mean for row in rows], rel=1e-5)
