"""Runs that stop when every comparison is decided: what is decided, when, and however a run is computed."""

import csv
import dataclasses
import itertools
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from xaijax import cli
from xaijax._errors import InputError
from xaijax._runs import command_line
from xaijax.bench import BenchConfig, columns, config, deciding, decisions, run
from xaijax.bench.plan import prepare
from xaijax.bench.store import Store

COUNT, PART = 40, 2


@pytest.fixture(scope="module")
def settings(checkpoint, tmp_path_factory):
    return BenchConfig(
        model=(str(checkpoint),),
        methods=("random", "sobel"),
        metrics=("effective_size", "entropy", "iou"),
        oracle=False,
        calibration=("none",),
        count=COUNT,
        part=PART,
        gallery=1,
        until="decided",
        against="random",
        alpha=0.1,
        out=tmp_path_factory.mktemp("until") / "run",
    )


@pytest.fixture(scope="module")
def stopped(settings):
    """Only the complexity is compared, which takes few images to decide."""
    only = dataclasses.replace(settings, metrics=("effective_size", "entropy"))
    return Store(run(only)), only


def table_of(store):
    with (store.root / "decisions.csv").open() as file:
        return list(csv.DictReader(file))


def bet_by_loop(differences, population, width, alpha):
    """After how many images "no difference" is refuted; written down from the formulas once more."""
    seen, squares, capital = [], 0.0, 1.0
    for used, difference in enumerate(differences, 1):
        x, t = (difference + width) / (2 * width), len(seen)
        mean, variance = (0.5 + sum(seen)) / (t + 1), (0.25 + squares) / (t + 1)
        m = (population / 2 - sum(seen)) / (population - t)
        capital *= 1 + np.clip((mean - m) / (variance + (mean - m) ** 2), -0.9 / (1 - m), 0.9 / m) * (x - m)
        seen.append(x)
        squares += (x - (0.5 + sum(seen)) / (t + 2)) ** 2
        if capital >= 1 / alpha:
            return used
    return None


def test_a_run_stops_when_it_is_decided(stopped):
    store, _ = stopped
    (row,) = table_of(store)
    assert (row["outcome"], row["metric"]) == ("decided", "effective_size")
    after = int(row["decided_after"])
    used = len(store.read_run()["data"]["images"][: PART * -(-after // PART)])
    assert used < COUNT
    assert sorted(path.stem for path in store.root.glob("parts/*")) == [f"00-tiny-{n:04d}" for n in range(used // PART)]
    assert len(set(store.scores()["image"].to_pylist())) == used
    # The direction of the metric is the lower value.
    means: dict = {}
    columns = (store.scores()[name].to_pylist() for name in ("method", "metric", "value"))
    for method, metric, value in zip(*columns, strict=True):
        if metric == "effective_size":
            means.setdefault(method, []).append(value)
    assert row["better"] == min(means, key=lambda name: np.mean(means[name])) == "sobel"
    assert float(row["difference"]) == pytest.approx(np.mean(means["sobel"]) - np.mean(means["random"]), rel=1e-5)
    assert float(row["low"]) <= float(row["difference"]) <= float(row["high"]) < 0


def test_the_decision_is_that_of_a_loop_over_a_run_of_all_images(stopped, tmp_path):
    store, settings = stopped
    whole = Store(run(dataclasses.replace(settings, until=None, alpha=0.05, against=None, out=tmp_path / "whole")))
    assert "until" not in whole.read_run()
    assert not (whole.root / "decisions.csv").exists()
    values = {}
    columns = (whole.scores()[name].to_pylist() for name in ("metric", "method", "image", "value"))
    for metric, method, image, value in zip(*columns, strict=True):
        values[metric, method, image] = value
    order = store.read_run()["data"]["images"]
    assert sorted(order) == sorted(whole.read_run()["data"]["images"])
    assert order != whole.read_run()["data"]["images"]
    differences = [values["effective_size", "sobel", i] - values["effective_size", "random", i] for i in order]
    after = bet_by_loop(differences, COUNT, 1.0, settings.alpha)
    assert int(table_of(store)[0]["decided_after"]) == after


def test_the_run_says_what_it_decided(stopped, capsys):
    store, _ = stopped
    described = store.read_run()
    assert described["until"] == {
        "alpha": 0.1,
        "against": "random",
        "population": COUNT,
        "budget": COUNT,
        "comparisons": [["tiny", "effective_size", "sobel", "random"]],
    }
    assert "--until decided" in described["command"]
    assert any("Nothing is decided on entropy" in note for note in described["notes"])
    page = (store.root / "report.html").read_text()
    assert "After how many images was it decided?" in page
    assert "sobel is better" in page
    assert "1 of 1 comparisons is decided" in page
    assert "assume a number of images that was fixed before" in page
    assert cli.main(["verify", str(store.root)]) == 0


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_killed_run_decides_the_same(stopped, tmp_path, monkeypatch, killed_after):
    store, settings = stopped
    out, written, original = tmp_path / "run", [], Store.write_part

    def interrupted(self, part, tables, made):
        if len(written) == killed_after:
            raise KeyboardInterrupt
        written.append(part)
        original(self, part, tables, made)

    monkeypatch.setattr(Store, "write_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(dataclasses.replace(settings, out=out))
    monkeypatch.undo()
    assert len(list(out.glob("parts/*"))) == killed_after
    run(dataclasses.replace(settings, out=out, resume=True))
    assert (out / "decisions.csv").read_bytes() == (store.root / "decisions.csv").read_bytes()
    assert (out / "summary.csv").read_bytes() == (store.root / "summary.csv").read_bytes()


def test_a_decided_run_stays_decided(stopped, tmp_path, monkeypatch):
    store, settings = stopped
    out = tmp_path / "run"
    shutil.copytree(store.root, out)
    monkeypatch.setattr(Store, "write_part", lambda *args: pytest.fail("a part was computed"))
    run(dataclasses.replace(settings, out=out, resume=True))
    assert (out / "decisions.csv").read_bytes() == (store.root / "decisions.csv").read_bytes()
    with pytest.raises(InputError, match=r"--alpha was 0\.1, now 0\.2"):
        run(dataclasses.replace(settings, out=out, resume=True, alpha=0.2))


def test_parts_in_another_order_decide_the_same(stopped, tmp_path, monkeypatch):
    """Others may compute parts ahead; those beyond the decision do not count and are removed."""
    store, settings = stopped
    original = deciding.undecided

    def backwards(plan, store):
        yield from reversed(plan.parts()[1:])
        assert len(list(store.root.glob("parts/*"))) == COUNT // PART - 1  # the first one is missing, so nothing counts
        yield from original(plan, store)

    monkeypatch.setattr(deciding, "undecided", backwards)
    out = run(dataclasses.replace(settings, out=tmp_path / "run"))
    assert (out / "decisions.csv").read_bytes() == (store.root / "decisions.csv").read_bytes()
    for folder in ("parts", "scores", "predictions"):
        names = [sorted(path.name for path in (root / folder).iterdir()) for root in (out, store.root)]
        assert names[0] == names[1]
    assert cli.main(["verify", str(out)]) == 0


def test_two_models_are_decided_on_the_same_images(settings, checkpoint, tmp_path):
    second = tmp_path / "other"
    shutil.copytree(checkpoint, second)
    out = run(
        dataclasses.replace(
            settings,
            model=(str(checkpoint), str(second)),
            metrics=("effective_size",),
            against=None,
            out=tmp_path / "run",
        )
    )
    rows = table_of(Store(out))
    assert [row["model"] for row in rows] == ["tiny", "other"]
    assert {row["outcome"] for row in rows} == {"decided"}
    counts = [len(list(out.glob(f"parts/0{model}-*"))) for model in (0, 1)]
    assert counts[0] == counts[1] < COUNT // PART


def test_a_budget_leaves_comparisons_open(settings, tmp_path):
    out = run(dataclasses.replace(settings, metrics=("iou",), max_count=10, alpha=0.01, out=tmp_path / "run"))
    (row,) = table_of(Store(out))
    used = int(row["n"]) + int(row["missing"])
    assert (row["outcome"], row["better"], row["decided_after"]) == ("open", "", "")
    assert used <= 10
    assert float(row["low"]) < 0 < float(row["high"])
    described = json.loads((out / "run.json").read_text())
    assert (described["until"]["budget"], described["until"]["population"]) == (10, COUNT)
    assert len(described["data"]["images"]) == 10
    assert "could not be decided within 10 images" in (out / "report.html").read_text()


def test_findings_of_an_image_are_one_difference_and_images_without_one_are_missing(tmp_path):
    from xaijax import models

    classes = ("opacity", "ground_glass", "nodule")
    network = models.create("small_cnn", input_shape=(32, 32, 1), classes=classes, key=3, output="sigmoid")
    models.save(network, tmp_path / "model")
    out = run(
        BenchConfig(
            data="phantoms:chest_xray", findings=True, model=(str(tmp_path / "model"),), methods=("random", "sobel"),
            metrics=("effective_size",), oracle=False, calibration=("none",), count=24, max_count=16, part=8, gallery=0,
            until="decided", alpha=0.01, out=tmp_path / "run",
        )
    )  # fmt: skip
    store = Store(out)
    (row,) = table_of(store)
    values: dict = {}
    columns = (store.scores()[name].to_pylist() for name in ("image", "target", "method", "value"))
    for image, target, method, value in zip(*columns, strict=True):
        values.setdefault(image, {}).setdefault(target, {})[method] = value
    means = [np.mean([one["random"] - one["sobel"] for one in found.values()]) for found in values.values()]
    used = len(set(store.predictions()["image"].to_pylist()))
    assert (int(row["n"]), int(row["missing"])) == (len(means), used - len(means))
    assert len(means) < used  # phantoms without any finding are among them
    assert float(row["difference"]) == pytest.approx(np.mean(means), rel=1e-5)


# ------------------------------------------------------------------------------------------------- which images


def test_one_image_of_each_patient_in_random_order():
    groups = ["a", "a", "a", "b", None, None, "c", "c"]
    rng_counts = np.zeros((5, len(groups)))
    for seed in range(4000):
        order = deciding.one_of_each(groups, seed)
        assert sorted("abc??"[i] for i in range(5)) == sorted(groups[i] or "?" for i in order)
        rng_counts[np.arange(5), order] += 1
    share = rng_counts / 4000
    np.testing.assert_allclose(share[:, :3].sum(axis=1), 0.2, atol=0.03)  # a large patient comes no earlier
    np.testing.assert_allclose(share[:, 3], 0.2, atol=0.03)
    np.testing.assert_allclose(share[:, 0], 0.2 / 3, atol=0.02)
    assert deciding.one_of_each(groups, 3) == deciding.one_of_each(groups, 3)


@pytest.fixture
def patients(tmp_path):
    """Twelve images of five patients; one image cannot be read."""
    root = tmp_path / "scans"
    root.mkdir()
    rng = np.random.default_rng(0)
    rows = ["file,label,patient"]
    for number in range(12):
        Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(root / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},p{number // 3 if number < 9 else number}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "9.png").write_bytes(b"no image")
    return root


@pytest.fixture
def for_patients(patients, tmp_path):
    from xaijax import models

    models.save(models.create("small_cnn", classes=["a", "b"], input_shape=(32, 32, 1), key=3), tmp_path / "model")
    return BenchConfig(
        data=str(patients), model=(str(tmp_path / "model"),), methods=("random", "sobel"), metrics=("effective_size",),
        group_column="patient", until="decided", calibration=("none",), out=tmp_path / "run",
    )  # fmt: skip


def test_a_run_takes_one_image_of_each_patient_and_all_patients(for_patients):
    plan = prepare(for_patients)
    assert plan.config.count == 0
    patients = [plan.dataset.cases[case].group for case in plan.cases]
    assert sorted(patients) == ["patient p0", "patient p1", "patient p10", "patient p11", "patient p2"]
    assert plan.until["population"] == plan.until["budget"] == 5  # the one that cannot be read is none of them
    assert [name for name, _ in plan.skipped] == ["9.png"]
    assert "One image of each patient (group) is taken: 6 of 12 images." in plan.notes
    fewer = prepare(dataclasses.replace(for_patients, max_count=3))
    order = [*plan.cases, plan.dataset.cases.index(next(c for c in plan.dataset.cases if c.id == "9.png"))]
    assert set(fewer.cases) < set(order)
    assert len(fewer.cases) + len(fewer.skipped) == 3
    assert prepare(dataclasses.replace(for_patients, seed=1)).cases != plan.cases


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"until": None, "max_count": 8}, "--max-count belongs to --until decided"),
        ({"until": None, "alpha": 0.1}, "--alpha belongs"),
        ({"until": None, "against": "random"}, "--against belongs"),
        ({"alpha": 1.0}, "--alpha is 1"),
        ({"until": "done"}, "--until is 'done'"),
        ({"max_count": 0}, "--max-count is 0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changed, sentence):
    with pytest.raises(InputError, match=sentence):
        config.check(BenchConfig(**{"until": "decided"} | changed))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"metrics": ("entropy", "local_lipschitz")}, "entropy and local_lipschitz have none"),
        ({"methods": ("sobel",), "against": None}, "there is one alone"),
        ({"against": "gradcam"}, "gradcam"),
        ({"methods": ("random",)}, "there is one alone"),
    ],
)
def test_runs_with_nothing_to_decide_are_refused(settings, tmp_path, changed, sentence):
    out = tmp_path / "run"
    with pytest.raises(InputError, match=sentence):
        run(dataclasses.replace(settings, out=out, **changed))
    assert not out.exists()


def test_the_count_says_how_many_images_there_are_to_take_from():
    assert config.check(BenchConfig(until="decided", data="scans")).count == 0
    assert config.check(BenchConfig(until="decided", data="scans", count=64)).count == 64
    assert config.check(BenchConfig(until="decided")).count == 32  # phantoms are generated
    assert config.check(BenchConfig(data="scans")).count == 32
    words = command_line.repeat("bench", config.check(BenchConfig(until="decided", data="scans", max_count=9)))
    assert words == "xaijax bench --data scans --count 0 --until decided --max-count 9"


# --------------------------------------------------------------------------------------------------- the decider


def agreed(comparisons, population, budget=None, alpha=0.05):
    return {
        "alpha": alpha,
        "population": population,
        "budget": population if budget is None else budget,
        "comparisons": comparisons,
    }


def scores(images, methods):
    """{method: values} as the scores of one model and metric."""
    return {
        ("m", "iou", method): {image: {"": float(value)} for image, value in zip(images, values, strict=True)}
        for method, values in methods.items()
    }


def test_maps_alone_take_no_part_where_methods_are_called_again():
    model = SimpleNamespace(name="m")
    bundle = SimpleNamespace(name="theirs", models=frozenset({"m"}), own=True)
    settings, notes = BenchConfig(until="decided"), []
    found = deciding.agree(
        settings, [model], ["a", "b"], [bundle], ["iou", "adcc"], population=9, budget=5, notes=notes
    )
    assert found["comparisons"] == [
        ["m", "iou", "a", "b"],
        ["m", "iou", "a", "theirs"],
        ["m", "iou", "b", "theirs"],
        ["m", "adcc", "a", "b"],
    ]
    assert notes == ["Nothing is decided about theirs on adcc: maps alone have no value there."]


def test_findings_of_an_image_are_one_difference():
    values = {
        ("m", "iou", "a"): {"x": {"nodule": 0.9, "opacity": 0.5, "mass": 0.4}, "y": {"nodule": 0.3}},
        ("m", "iou", "b"): {"x": {"nodule": 0.4, "opacity": 0.6, "mass": np.nan}, "y": {"opacity": 0.3}},
    }
    found = deciding.differences(values, ("m", "iou", "a", "b"), ["x", "y", "z"])
    np.testing.assert_allclose(found, [0.2, np.nan, np.nan])
    values["m", "iou", "a"]["x"] = {"nodule": 1.5}
    with pytest.raises(InputError, match="outside its range"):
        deciding.differences(values, ("m", "iou", "a", "b"), ["x"])


def test_a_comparison_that_can_no_longer_be_decided_does_not_hold_the_run():
    images = [str(i) for i in range(20)]
    decider = deciding.Decider(agreed([["m", "iou", "a", "b"]], 1000, budget=20))
    same = scores(images, {"a": np.full(20, 0.5), "b": np.full(20, 0.5)})
    for place in range(20):
        decider.add(images[place : place + 1], same)
        left = 19 - place
        # Bets of a capital of one bring at most 1.9 times as much with each image (a little more without replacement).
        assert decider.settled == (1.9**left < 20)
    wide = deciding.Decider(agreed([["m", "iou", "a", "b"]], 20))
    wide.add(images[:19], same)
    assert not wide.settled  # the last image of all can settle it
    wide.add(images[19:], same)
    assert wide.settled


def test_wrong_decisions_under_the_null_are_at_most_alpha():
    """Three methods on two metrics that differ on every image and not in the mean: is any of six decided, ever?"""
    rng = np.random.default_rng(3)
    comparisons = [["m", metric, *pair] for metric in ("iou", "dice") for pair in (("a", "b"), ("a", "c"), ("b", "c"))]
    images = [str(i) for i in range(90)]
    wrong, repetitions, alpha = 0, 250, 0.2
    for _ in range(repetitions):
        values = {}
        for metric in ("iou", "dice"):
            # Every value occurs as often for every method: the means over the 90 images are equal for certain.
            base = rng.random((15, 3))
            fresh = rng.permutation(np.concatenate([base[:, order] for order in itertools.permutations(range(3))]))
            for column, method in enumerate("abc"):
                values["m", metric, method] = {i: {"": v} for i, v in zip(images, fresh[:, column], strict=True)}
        decider = deciding.Decider(agreed(comparisons, 90, alpha=alpha))
        for start in range(0, 88, 8):
            decider.add(images[start : start + 8], values)
        wrong += any(decider.decided)
    assert wrong / repetitions <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / repetitions)


def test_missing_scores_are_counted():
    run_json = {
        "data": {"images": ["1", "2", "3", "4"]},
        "until": agreed([["m", "iou", "a", "b"]], 4, alpha=0.5),
    }
    rows = [("m", str(i), method, "iou", value, reason) for i, method, value, reason in [
        (1, "a", 0.9, ""), (1, "b", 0.1, ""), (2, "a", np.nan, "empty_mask"), (2, "b", np.nan, "empty_mask"),
        (3, "a", 0.8, ""), (3, "b", np.nan, "flat_map"), (4, "a", 0.7, ""), (4, "b", 0.2, ""),
    ]]  # fmt: skip
    names = ("model", "image", "method", "metric", "value", "reason")
    table = pa.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})
    (one,) = decisions.decide(run_json, columns.of_table(table), pa.array(["1", "2", "3", "4"]))
    # Two values were missing when the fourth image left no doubt: both images with values show the same sign.
    assert (one.n, one.missing, one.outcome, one.better) == (2, 2, "decided", "a")
    assert one.decided_after <= 4
    assert one.difference == pytest.approx(0.65)
    assert one.low == pytest.approx(0.65) == one.high
    (line,) = decisions.shown([one], {"m": {"iou": ("no", "why")}})
    assert (line["outcome"], line["doubted"], line["missing"]) == ("a is better", "do not believe", 2)
    assert decisions.shown([one])[0]["doubted"] == ""
    said = decisions.statements(run_json, [one])
    assert "1 of 1 comparisons is decided, the last after" in said[0].text
    assert "at most 2 of 4 (a and b on iou)" in said[1].text
    assert said[-1].warns
