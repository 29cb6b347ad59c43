"""The scores of a run in columns: the same as their rows, wherever they are kept and however they come."""

import numpy as np
import pyarrow as pa
import pytest

from xaijax.bench import columns, curves, pooled, reading, report, spool
from xaijax.bench.store import CURVES, PREDICTIONS, SCORES, TARGET
from xaijax.metrics import Scores, statements
from xaijax.metrics._health import usage
from xaijax.metrics._interval import LARGE, expanded, mean_interval
from xaijax.metrics.statistics import analyze

IDS = [f"i{(7 * n) % 30:02d}" for n in range(30)]
WHY = ("empty_mask", "flat_map")


def scored(made, ids, seed=0, findings=()):
    """Scores of some images with values missing at random."""
    rng = np.random.default_rng(seed)
    rows = []
    for row in made.score_rows(ids, seed=seed):
        for finding in findings or ("",):
            reason = row[5] or (WHY[rng.integers(2)] if rng.random() < 0.2 else "")
            value = float("nan") if reason else row[4] + 0.01 * rng.random()
            rows.append((*row[:4], value, reason, *([finding] if findings else [])))
    schema = SCORES.append(pa.field(TARGET, pa.string())) if findings else SCORES
    return made.table(rows, schema)


@pytest.fixture(params=[(), ("edema", "mass")], ids=["classes", "findings"])
def both(request, made, tmp_path, monkeypatch):
    """The same scores as rows and, from several parts and through files, as columns."""
    parts = [scored(made, IDS[i : i + 10], i, request.param) for i in range(0, 30, 10)]
    monkeypatch.setattr(spool, "KEPT", 500)
    (found,) = columns.of_tables([(part, None) for part in parts], tmp_path).values()
    assert list(tmp_path.iterdir())  # some are in files
    return Scores.from_arrow(pa.concat_tables(parts)), found


def test_columns_hold_what_the_rows_say(both):
    rows, found = both
    assert found.metrics() == rows.metrics()
    assert found.methods() == rows.methods()
    for metric in rows.metrics():
        names, methods, values = rows.matrix(metric)
        own, same, numbers = found.matrix(metric)
        assert (found.names().take(pa.array(own)).to_pylist(), same) == (names, methods)
        np.testing.assert_array_equal(numbers, values)
        codes, why = found.reasons(metric)
        other, reasons = rows.reasons(metric)
        np.testing.assert_array_equal(np.array(why)[codes], np.array(reasons)[other])
        assert found.alphabetical(own).tolist() == rows.alphabetical(names).tolist()
    assert found.images().to_pylist() == [image.partition(":")[0] for image in found.names().to_pylist()]


@pytest.mark.parametrize("patients", [{}, {name: number // 4 for number, name in enumerate(IDS[:20])}], ids=len)
def test_statistics_and_statements_are_those_of_the_rows(both, patients):
    rows, found = both
    ours, theirs = analyze(found, patients=patients), analyze(rows, patients=patients)
    assert repr(ours) == repr(theirs)
    for metric, one in theirs.items():
        # NaN is no number, so pairs are compared as texts.
        assert repr(ours[metric].pairs) == repr(one.pairs)
        assert repr(ours[metric].means) == repr(one.means)
    assert usage(found) == usage(rows)
    assert statements(found, patients=patients) == statements(rows, patients=patients)


@pytest.mark.parametrize("patients", [{}, {name: number // 4 for number, name in enumerate(IDS[:20])}], ids=len)
def test_the_summary_is_that_of_the_rows(both, patients):
    from xaijax.bench.summary import summarise

    rows, found = both
    lines, peers = summarise({"m": found}, patients=patients), rows.summary(patients=patients)
    assert [(x.target, x.method, x.metric) for x in lines] == [(x.target, x.method, x.metric) for x in peers]
    for line, peer in zip(lines, peers, strict=True):
        np.testing.assert_equal((line.mean, line.median, line.low, line.high, line.n), peer[2:7])
        assert line.skipped == sum(peer.skipped.values())


def test_models_with_other_images_are_aligned_by_name(made):
    first, second = (columns.of_table(scored(made, ids))["m"] for ids in (IDS[:6], IDS[8:2:-1]))
    methods, values, there, images = pooled.aligned([first, second], "iou")
    every = [*IDS[:6], *IDS[8:5:-1]]
    assert images.to_pylist() == every
    for number, one in enumerate((first, second)):
        rows, own, numbers = one.matrix("iou")
        place = [every.index(name) for name in one.names().take(pa.array(rows)).to_pylist()]
        assert own == methods
        np.testing.assert_array_equal(values[number][place], numbers)
        assert there[number].any(axis=1).sum() == len(place)
    rows, own, numbers = pooled.Pooled([first, second]).matrix("iou")
    assert (rows.tolist(), own) == ([3, 4, 5], methods)
    np.testing.assert_allclose(numbers, values[:, 3:6].mean(axis=0))
    assert len(set(pooled.Pooled([first, second]).units("iou", {IDS[3]: 0, IDS[4]: 0}).tolist())) == 2


def test_files_of_columns_go_away_with_them(made, tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "KEPT", 100)
    found = columns.of_tables([(scored(made, IDS), None)], tmp_path)
    (there,) = tmp_path.iterdir()
    assert there.name.startswith(".writing-")  # a run that is resumed removes what a killed one left
    del found
    assert not list(tmp_path.iterdir())


def test_a_value_without_a_reason_is_refused(made):
    with pytest.raises(ValueError, match="NaN exactly where it has a reason"):
        columns.of_table(made.table([("m", "a", "cam", "iou", float("nan"), "")], SCORES))


@pytest.mark.parametrize("groups", [False, True])
def test_the_interval_of_many_values_is_that_of_the_bootstrap(groups):
    """Skewed values, so that a symmetric interval would be wrong; 20,000 draws have an error of 2 % of the width."""
    values = np.random.default_rng(0).gamma(0.3, size=LARGE + 2)
    member = np.arange(len(values)) // (2 if groups else 1)
    low, high = mean_interval(values, groups=member if groups else None)
    count = member.max() + 1
    if groups:
        assert count < LARGE
        sums, sizes = np.bincount(member, values), np.bincount(member)
        low, high = expanded(float(values.mean()), (sums - values.mean() * sizes) / sizes.mean())
    sums = np.bincount(member, values)
    rng = np.random.default_rng(1)
    drawn = np.array([sums[rng.integers(0, count, count)].sum() for _ in range(20_000)]) / len(values)
    peer = np.quantile(drawn, [0.025, 0.975])
    assert [low, high] == pytest.approx(peer, abs=0.02 * (peer[1] - peer[0]))


def test_curves_of_very_many_images_are_sampled_and_the_report_says_so(made, tmp_path, monkeypatch):
    store = made.started(tmp_path / "run", made.run_description(IDS))
    for number in range(3):
        own = IDS[10 * number : 10 * number + 10]
        labels = made.table([("m", name, "a", "ab"[number % 2], 0.5) for name in own], PREDICTIONS)
        tables = made.tables(*made.parts(own))
        store.write_part(f"00-m-{number:04d}", type(tables)(**{**vars(tables), "predictions": labels}))
    whole = reading.read(store)
    assert whole.right == {"m": (20, 30)}
    assert whole.models["m"].curve_images == 0
    monkeypatch.setattr(curves, "IMAGES", 10)
    some = reading.read(store)
    assert (some.models["m"].curve_images, some.curves["m"]) == (9, ["00-m-0000"])
    said = [one.text for one in report.write_report(store).said]
    assert any("are of 9 of 30 images, evenly from all parts; scores and tables are of all" in text for text in said)
    assert usage(some.models["m"])[0].classes == {"a": (27, 30)}


def test_parts_with_more_digits_come_last(made, tmp_path):
    store = made.started(tmp_path / "run", {})
    for name, image in (("00-m-10000", "z"), ("00-m-9999", "a")):
        store.write_part(name, made.tables(made.table(made.score_rows([image]), SCORES), CURVES.empty_table()))
    assert store.scores()["image"].unique().to_pylist() == ["a", "z"]
