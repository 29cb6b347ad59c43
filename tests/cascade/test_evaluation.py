"""The evaluation of cascades against arrays worked out by hand; the frozen form and the sweep as commands."""

import json

import numpy as np
import pytest

from xaijax import cascade, cli, explain, models
from xaijax._errors import InputError
from xaijax.cascade import rounds, scoring, sweep
from xaijax.cascade.scoring import Heldout
from xaijax.data import Batch, Element
from xaijax.explain.cascade import cascade_rounds


def made(elements, labels=(0, 1), side=10):
    """Held-out images with these elements, `(name, role, row)`: each is a row of pixels."""
    found = []
    for own in elements:
        some = []
        for name, role, row in own:
            mask = np.zeros((side, side), bool)
            mask[row] = True
            some.append(Element(name, role, mask))
        found.append(tuple(some))
    roles = {
        role: np.stack(
            [np.any([e.mask for e in own if e.role == role] or [np.zeros((side, side), bool)], axis=0) for own in found]
        )
        for role in {role for own in elements for _, role, _ in own}
    }
    count = len(elements)
    batch = Batch(
        tuple(map(str, range(count))),
        np.zeros((count, side, side, 1), np.uint8),
        np.asarray(labels, np.int32),
        np.zeros((count, side, side), bool),
        np.zeros(count, bool),
        np.arange(count),
        roles=roles,
        elements=tuple(found),
    )
    return Heldout(batch, np.asarray(labels, np.int32), None)


def test_hits_of_every_element():
    """Rows of 10 pixels; 15 of 100 pixels are the top."""
    heldout = made([[("lesion", "lesion", 2), ("text", "artefact", 7)], [("text", "artefact", 0)]])
    on_text = np.zeros((2, 10, 10))
    on_text[0, 7] = 3  # the text of image 0 whole, and 5 of the other 90 pixels, which are all equal
    on_text[1, 0, :4] = 2  # 4 pixels of the text of image 1
    rows = {row["element"]: row for row in scoring.hits({"m": on_text}, heldout)}
    lesion, text = rows["lesion"], rows["text"]
    assert lesion["images"] == 1
    assert lesion["found"] == pytest.approx(5 / 90)
    assert (lesion["hit"], lesion["pointed"]) == (0, 0)
    assert text["images"] == 2
    assert text["found"] == pytest.approx((1 + (4 + 6 * 11 / 96) / 10) / 2)
    assert (text["hit"], text["pointed"]) == (0.5, 1)
    assert scoring.hits({"flat": np.ones((2, 10, 10))}, heldout) == []


def test_scores_follow_the_roles_that_are_there():
    maps = {"m": np.random.default_rng(0).random((2, 10, 10))}
    both = scoring.score(maps, made([[("lesion", "lesion", 2), ("text", "artefact", 7)]] * 2))
    assert set(both.metrics()) == set(scoring.LESION_METRICS + scoring.ARTEFACT_METRICS + scoring.BOTH_METRICS)
    cues = scoring.score(maps, made([[("text", "artefact", 7)]] * 2))
    assert set(cues.metrics()) == set(scoring.ARTEFACT_METRICS)
    expected = [own[7].sum() / own.sum() for own in maps["m"]]
    np.testing.assert_allclose(cues.matrix("artefact_mass")[2][:, 0], expected, rtol=1e-5)
    assert len(scoring.score(maps, made([[], []]))) == 0


def test_paired_tests_are_between_cascades_and_single_methods_with_holm_over_them():
    from xaijax.metrics import Scores

    rng = np.random.default_rng(0)
    level = {"cascade K=1": 0.5, "cascade K=3": 0.8, "cam": 0.5, "fullgrad": 0.4}
    rows = [
        (str(i), method, "iou", float(value + 0.05 * rng.normal()), "")
        for i in range(12)
        for method, value in level.items()
    ]
    found = scoring.tests(Scores.from_rows(rows), seed=0)
    assert [(row["cascade"], row["method"]) for row in found] == [
        (one, other) for one in ("cascade K=1", "cascade K=3") for other in ("cam", "fullgrad")
    ]
    clear = found[2]
    assert clear["difference"] == pytest.approx(0.3, abs=0.06)
    assert clear["p_wilcoxon_holm"] == pytest.approx(4 * 2**-11)  # the smallest of four: 2^-12, two-sided, times 4
    assert found[0]["p_wilcoxon_holm"] > 0.05


def test_costs_break_even_where_preparing_is_paid_back():
    rows = scoring.costs((1, 2), 2, 0.4, (100.0, 50.0), {"score_cam": 1.2, "cam": 0.1})
    by = {(row["cascade"], row["method"]): row for row in rows}
    assert by["cascade K=1", "score_cam"]["break_even"] == 100
    assert by["cascade K=2", "score_cam"]["break_even"] == 188  # 150 s / 0.8 s, up
    assert by["cascade K=2", "cam"]["break_even"] is None
    assert by["cascade K=1", "cam"]["seconds_per_image"] == 0.2


def test_the_evaluation_of_a_cascade(finished):
    found = json.loads((finished.out / "evaluation.json").read_text())
    names = ["cascade K=1", "cascade K=3", "cam", "layer_cam"]
    assert [row["method"] for row in found["means"]] == names
    assert found["images"] == 9
    assert len(found["tests"]) == 7 * 4  # metrics by pairs
    assert [row["round"] for row in found["accuracies"]] == [0, 1, 2]
    assert all(0 <= row["accuracy_covered"] <= 1 for row in found["accuracies"])
    assert {row["element"] for row in found["hits"]} == {"lesion", "text"}
    assert {row["method"] for row in found["costs"]} == {"cam", "layer_cam"}
    page = (finished.out / "evaluation.md").read_text()
    for title in ("## Means", "## Paired tests", "## Accuracy", "## Elements", "## Rounds", "## Time"):
        assert title in page


def test_the_frozen_form_is_the_explainer_on_held_out_images(finished, config, tmp_path, console):
    model = rounds.place(finished.out, 0)
    options = {"form": "frozen", "model": str(model), "compare": ("cam",), "sweep_decay": (0.5,)}
    done = cascade.run(config(tmp_path / "frozen", **options), console=console)
    assert done.cascade is None
    assert [row["method"] for row in done.evaluation["means"]] == ["cascade K=1", "cascade K=3", "cam"]
    from xaijax.data import open_dataset, partition

    data = open_dataset("phantoms", count=30, size=32, cues=("text",))
    sides = partition(data, {"training": 0.5, "validation": 0.2, "test": 0.3}, seed=0)
    batch = data.read(sides["test"], (32, 32, 1))  # what round 0 has not seen
    whole = cascade_rounds(models.load(model), batch.images, batch.labels, rounds=3)
    mass = [
        explained[mask].sum() / explained.sum()
        for explained, mask in zip(np.asarray(whole.combined), batch.roles["artefact"], strict=True)
    ]
    assert done.evaluation["means"][1]["artefact_mass"] == pytest.approx(np.mean(mass), rel=1e-3)
    swept = [json.loads(line) for line in (tmp_path / "frozen" / "sweep.jsonl").read_text().splitlines()]
    assert [(row["decay"], row["rounds"]) for row in swept] == [(0.1, 1), (0.1, 3), (0.5, 1), (0.5, 3)]
    assert swept[1]["artefact_mass"] == pytest.approx(done.evaluation["means"][1]["artefact_mass"])
    assert (tmp_path / "frozen" / "cascade.png").is_file()


def test_a_sweep_trains_for_theta_alone_and_resumes(finished, config, tmp_path, console, monkeypatch):
    options = {
        "rounds": 2,
        "compare": ("cam",),
        "sweep_theta": (5.0,),
        "sweep_decay": (0.0,),
        "sweep_threshold": ("none",),
    }
    out = tmp_path / "run"
    trained = []
    before = rounds._train

    def train(*arguments):
        trained.append((arguments[0].theta, arguments[4]))
        return before(*arguments)

    monkeypatch.setattr(rounds, "_train", train)
    cascade.run(config(out, **options), console=console)
    assert trained == [(2.0, 0), (2.0, 1), (5.0, 1)]  # round 0 knows no theta
    rows = [json.loads(line) for line in (out / "sweep.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 2 * 2 * 2
    assert len({tuple(row[key] for key in sweep.KEYS) for row in rows}) == len(rows)
    # K = 1 depends on the threshold alone
    first = {row["threshold"]: row["average_precision"] for row in rows if row["rounds"] == 1}
    assert all(row["average_precision"] == first[row["threshold"]] for row in rows if row["rounds"] == 1)
    assert (out / "sweep.png").is_file()
    text = (out / "sweep.jsonl").read_text()
    cascade.run(config(out, resume=True, **options | {"sweep_decay": (0.0, 1.0)}), console=console)
    assert trained[3:] == []
    assert (out / "sweep.jsonl").read_text().startswith(text)
    assert len((out / "sweep.jsonl").read_text().splitlines()) == 2 * 2 * 3 * 2


def test_cascade_is_an_explainer_of_the_registry():
    assert explain.METHODS["cascade"].function is explain.cascade.cascade


def test_the_file_that_comes_with_it_is_the_paper():
    made = cli.parse("cascade", ["--data", "d", "--out", "o", "--config", "cascam"])
    assert (made.rounds, made.theta, made.threshold, made.decay) == (10, 0.3, "top_k:10", 0.1)
    assert (made.base, made.scale) == (("cam",), "raw")
    assert cli.parse("cascade", ["--data", "d", "--out", "o", "--config", "cascam", "--rounds", "3"]).rounds == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--sweep-theta", "nan", "-1"], "--sweep-theta is 'nan'; it must be a number of at least 0"),
        (["--sweep-theta", "1", "-1"], "--sweep-theta is '-1'; it must be a number of at least 0"),
        (["--sweep-theta", "inf"], "--sweep-theta is 'inf'"),
        (["--sweep-threshold", "top"], "threshold must be"),
        (["--sweep-decay", "-0.1"], "--sweep-decay is '-0.1'"),
        (["--prefixes", "0"], "--prefixes is '0'; it must be a whole number from 1"),
        (["--shown", "0"], "--shown is '0'; it must be a whole number from 1"),
        (["--size", "1000000"], "--size is '1000000'; it must be a whole number from 1 to 8192"),
    ],
)
def test_values_are_refused_before_anything_is_trained(words, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)
    assert cli.main(["cascade", "--data", "phantoms", "--out", str(tmp_path / "out"), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_frozen_form_takes_the_split_that_is_wanted(finished, config, tmp_path, console):
    given = {"form": "frozen", "model": str(rounds.place(finished.out, 0)), "compare": ("cam",), "rounds": 1}
    done = cascade.run(config(tmp_path / "all", **given, split="all", explained=12), console=console)
    assert done.evaluation["images"] == 12
    assert "12 images of" in console.file.getvalue()


def test_the_frozen_form_looks_at_the_layer_that_is_given(finished, config, tmp_path, console):
    model = rounds.place(finished.out, 0)
    given = {"form": "frozen", "model": str(model), "compare": ("grad_cam",), "rounds": 1, "explained": 3}
    classifier = models.load(model)
    other = next(name for name, shape in classifier.layers().items() if len(shape) == 3)
    assert other != classifier.default_layer
    masses = []
    for number, layer in enumerate((None, classifier.default_layer, other)):
        done = cascade.run(config(tmp_path / str(number), **given, layer=layer), console=console)
        masses.append([row["artefact_mass"] for row in done.evaluation["means"]])
    assert masses[0] == masses[1]
    assert all(one != two for one, two in zip(masses[0], masses[2], strict=True))
    with pytest.raises(InputError, match="--layer is for --form frozen"):
        cascade.run(config(tmp_path / "out", layer=other), console=console)
    assert not (tmp_path / "out").exists()


def test_methods_are_named_as_people_write_them(config, tmp_path):
    from xaijax.cascade.config import checked

    made = checked(config(tmp_path, base=("Grad-CAM", "CAM", "GradCAM++"), compare=("Score-CAM",)))
    assert made.base == ("grad_cam", "cam", "grad_cam_pp")
    assert made.compare == ("score_cam",)
    assert checked(config(tmp_path, base=("HiResCAM",))).base == ("hires_cam",)  # one for all rounds stays one
