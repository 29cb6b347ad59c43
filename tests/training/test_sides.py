"""Which images train, choose the epoch and are scored: options, run.json, and what the other commands draw."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from xaijax import evaluate, train
from xaijax._errors import InputError
from xaijax._runs import data as run_data
from xaijax._runs.dividing import divide
from xaijax.data import Case, Content, Dataset, partition, split
from xaijax.evaluate import EvaluateConfig
from xaijax.train import TrainConfig


class Grey:
    """An image of one value; some are noted on."""

    roles = ()

    def __init__(self, value, notes=()):
        self.value, self.notes = value, notes

    def read(self, *, masks):
        return Content(np.full((8, 8, 1), self.value, np.uint8), (), self.notes)

    def fingerprint(self):
        return str(self.value)


def dataset_of(sides, groups=None, values=None, name="stubs"):
    groups, values = groups or [None] * len(sides), values or range(len(sides))
    cases = tuple(
        Case(f"{at}", at % 2, Grey(value), group, split=side)
        for at, (side, group, value) in enumerate(zip(sides, groups, values, strict=True))
    )
    return Dataset(name, ("a", "b"), None, cases, {"source": "folder"})


def options(**changes):
    return TrainConfig(**({"data": "folder", "out": Path("o")} | changes))


def sizes(division):
    return {side: len(positions) for side, positions in division.sides.items()}


def test_shares_folds_and_what_was_before():
    dataset = dataset_of([None] * 100)
    division = divide(options(), dataset)
    assert sizes(division) == {"training": 80, "validation": 10, "test": 10}
    assert (division.how, division.notes, bool(division.leaks)) == ("by shares", (), False)
    for side, positions in partition(dataset, seed=0).items():
        np.testing.assert_array_equal(division.sides[side], positions)
    before = divide(options(validation=0.2, test=0), dataset)
    for side, positions in zip(("training", "validation"), split(dataset, 0.2, seed=0), strict=True):
        np.testing.assert_array_equal(before.sides[side], positions)
    assert len(before.sides["test"]) == 0
    tested = [divide(options(folds=5, fold=fold), dataset) for fold in range(1, 6)]
    assert all(sizes(one) == {"training": 60, "validation": 20, "test": 20} for one in tested)
    assert sorted(at for one in tested for at in one.sides["test"]) == list(range(100))
    np.testing.assert_array_equal(tested[0].sides["validation"], tested[1].sides["test"])
    assert tested[0].how == "fold 1 of 5 for test"
    two = divide(options(folds=2, fold=2, validation=0.2), dataset)
    assert sizes(two) == {"training": 40, "validation": 10, "test": 50}


def test_what_misses_its_share_and_absent_classes_are_said():
    groups = [f"p{at // 25}" for at in range(100)]
    (note,) = divide(options(), dataset_of([None] * 100, groups)).notes
    assert note == (
        "Groups stay together, and every class is on every side where it can be: validation has 25 images, 15 more "
        "than its share of 0.1; test has 25 images, 15 more than its share of 0.1."
    )
    dataset = dataset_of([None] * 40)
    cases = tuple(Case(f"{at}", int(at > 37), Grey(at)) for at in range(40))
    (note,) = divide(options(), Dataset("few", ("a", "b"), None, cases)).notes
    assert note == "The test side has no image of b."
    assert divide(options(seed=1), dataset).sides["test"].tolist() != divide(options(), dataset).sides["test"].tolist()


def test_an_own_split_is_named_or_taken_with_what_it_leaks():
    sides = ["training"] * 20 + ["validation"] * 6 + ["test"] * 6
    dataset = dataset_of(sides, ["p"] * 2 + [None] * 29 + ["p"], [*range(30), 5, 31])
    (note,) = divide(options(), dataset).notes
    assert note == (
        "The data have a split of their own (training 20, validation 6, test 6), which is not used: --own-split takes "
        "it."
    )
    division = divide(options(own_split=True), dataset)
    assert sizes(division) == {"training": 20, "validation": 6, "test": 6}
    assert [note[:30] for note in division.notes] == [
        "Sides of the split share image",
        "Sides of the split share pixel",
    ]
    described = division.describe()
    assert described["leaks"]["groups"]["images"] == 3
    assert described["leaks"]["pixels"] == {"images": 2, "examples": ["5 (training) and 30 (test)"]}
    assert described["how"] == "the data's own split"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"own_split": True, "folds": 5, "fold": 1}, "--own-split and --folds each say how the images are divided"),
        ({"split_file": Path("f"), "own_split": True}, "--own-split and --split-file each say"),
        ({"validation": 0.5, "test": 0.5}, "--validation 0.5 and --test 0.5 leave no images for training"),
        ({"folds": 5}, "--folds 5 needs --fold, 1 to 5"),
        ({"fold": 2}, "--fold needs --folds, or --own-split"),
        ({"folds": 5, "fold": 6}, "--fold is 6; it must be at most --folds, 5"),
        ({"own_split": True}, "has no split of its own"),
        ({"split_file": Path("nowhere.csv")}, "--split-file is nowhere.csv, and there is no such file"),
    ],
)
def test_contradictions_are_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        divide(options(**given), dataset_of([None] * 20))


# --- what bench, evaluate and cascade draw --------------------------------------------------------------------------


def trained(path, **sides):
    path.mkdir()
    description = {"kind": "training", "data": {"options": {"source": "folder"}, **sides}}
    (path / "run.json").write_text(json.dumps(description))
    return str(path)


def names(*numbers):
    return [str(number) for number in numbers]


def draw(dataset, *paths, split="auto"):
    return run_data.held_out(EvaluateConfig(data="folder", model=paths, out=Path("o"), split=split), paths, dataset)


@pytest.fixture
def runs(tmp_path):
    """Trainings on ten images: with test images, another one, and one from before there were any."""
    both = {"training": names(*range(6)), "validation": names(6, 7), "test": names(8, 9), "left_out": []}
    other = {"training": names(*range(5)), "validation": names(5, 6), "test": names(7, 8, 9)}
    old = {"training": names(*range(6)), "validation": names(6, 7, 8), "left_out": names(9)}
    return {
        "both": trained(tmp_path / "both", **both),
        "other": trained(tmp_path / "other", **other),
        "old": trained(tmp_path / "old", **old),
        "without": trained(tmp_path / "without", **(old | {"test": []})),
        "rest": trained(tmp_path / "rest", training=names(*range(4, 10)), validation=names(2, 3), test=names(0, 1)),
        "nobody": str(tmp_path / "nobody"),
    }


def test_test_images_are_drawn_where_a_training_names_them(runs):
    dataset = dataset_of([None] * 10)
    drawn = draw(dataset, runs["both"])
    assert (drawn.positions, drawn.which, drawn.unseen, drawn.notes) == ([8, 9], "test images", True, [])
    assert draw(dataset, runs["both"], split="test").positions == [8, 9]
    assert draw(dataset, runs["both"], split="validation").positions == [6, 7]
    drawn = draw(dataset, runs["both"], split="training")
    assert (drawn.positions, drawn.which, drawn.unseen) == ([*range(6)], "training images", False)
    assert draw(dataset, runs["both"], split="all").positions == [*range(10)]
    assert draw(dataset, runs["both"], runs["other"]).positions == [8, 9]
    drawn = draw(dataset, runs["both"], runs["old"])
    assert (drawn.positions, drawn.which) == ([8], "test and validation images")
    with pytest.raises(InputError, match="no image was left out of the training of all models"):
        draw(dataset, runs["both"], runs["rest"])


@pytest.mark.parametrize("name", ["old", "without"])
def test_a_training_without_test_images_gives_those_that_chose_its_epoch_and_says_so(runs, name):
    dataset = dataset_of([None] * 10)
    drawn = draw(dataset, runs[name])
    assert (drawn.positions, drawn.which, drawn.unseen) == ([6, 7, 8], "validation images", True)
    assert drawn.notes == [
        f"Model {runs[name]} names no test images: its validation images are taken, which chose its epoch."
    ]
    assert draw(dataset, runs[name], split="validation").notes == []
    with pytest.raises(InputError, match="has no test images of folder: use --split training or validation or all"):
        draw(dataset, runs[name], split="test")


def test_without_a_record_the_own_test_side_is_taken(runs):
    dataset = dataset_of(["training"] * 6 + ["fold 2"] + ["test"] * 3)
    drawn = draw(dataset, runs["nobody"])
    assert (drawn.positions, drawn.which, drawn.unseen) == ([7, 8, 9], "test images", False)
    assert "does not say which images it was trained on: the data's own test side is taken." in drawn.notes[0]
    assert draw(dataset, runs["nobody"], split="training").positions == [*range(6)]
    drawn = draw(dataset, runs["nobody"], split="fold 2")
    assert (drawn.positions, drawn.which) == ([6], "images of fold 2")
    # Where another model names its images, those are taken.
    drawn = draw(dataset, runs["both"], runs["nobody"])
    assert (drawn.positions, drawn.unseen) == ([8, 9], False)
    assert "some may be among these" in drawn.notes[0]
    plain = dataset_of([None] * 10)
    drawn = draw(plain, runs["nobody"])
    assert (len(drawn.positions), drawn.which) == (10, "images")
    for side in ("validation", "test"):
        with pytest.raises(InputError, match=f"does not name its {side} images of folder, and the data have no such"):
            draw(plain, runs["nobody"], split=side)
    with pytest.raises(InputError, match="--split is fold 2, and the data folder have no split of their own"):
        draw(plain, runs["nobody"], split="fold 2")


def test_findings_are_drawn_evenly():
    findings = [(1.0, float(at % 10 == 0)) if at % 2 else (0.0, 0.0) for at in range(40)]
    findings[0] = (1.0, 1.0)
    cases = tuple(Case(f"{at}", -1, Grey(at), findings=row) for at, row in enumerate(findings))
    dataset = Dataset("multi", ("often", "rare"), None, cases)
    chosen = run_data.counted(EvaluateConfig(data="folder", model=("m",), out=Path("o"), count=3), dataset)
    assert len(chosen) == 3
    assert 0 in chosen  # the one image of the rare finding


# --- commands -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tabled(folder, tmp_path_factory):
    """The folder with a split of its own in its table: a patient on two sides, and files that are left out."""
    root = tmp_path_factory.mktemp("tabled")
    rows = []
    for path in sorted(folder.glob("*/*.png")):
        name = f"{path.parent.name}-{path.name}"
        shutil.copy(path, root / name)
        number = int(path.stem) if path.stem.isdigit() else 9
        side = "training" if number < 7 else "test"
        patient = "twice" if number in (6, 7) and path.parent.name == "high" else f"{path.parent.name}-{path.stem}"
        rows.append({"file": name, "label": path.parent.name, "patient": patient, "split": side})
    with (root / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ("file", "label", "patient", "split"))
        writer.writeheader()
        writer.writerows(rows)
    return root


def quick(config, out, data, **changes):
    return config(out, data=str(data), epochs=1, augment=False, **changes)


def test_a_split_file_is_used_repeated_and_scored(config, tabled, tmp_path, console):
    out = tmp_path / "file"
    done = train.run(quick(config, out, tabled, split_file=tabled / "labels.csv", validation=0.2), console=console)
    described = json.loads((out / "run.json").read_text())["data"]
    rows = list(csv.DictReader((tabled / "labels.csv").read_text().splitlines()))
    wanted = {row["file"] for row in rows if row["split"] == "test" and "broken" not in row["file"]}
    assert set(described["test"]) == wanted
    assert done.test["images"] == len(wanted)
    assert not set(described["training"]) & set(described["validation"])
    said = console.file.getvalue()
    assert "labels.csv has no validation side: 3 of its 21 training images are taken for it." in said
    assert "is on more than one, 2 images, such as high-06.png (training) and high-07.png (test)." in said
    assert described["split"]["leaks"]["groups"]["count"] == 1
    assert "twice" not in json.dumps(described["split"])
    config = EvaluateConfig(data=(str(tabled),), model=(str(out),), out=tmp_path / "scores")
    assert evaluate.run(config, console=console).metrics[0]["confusion"] == done.test["confusion"]


def test_a_crossvalidation_scores_every_image_once_and_a_run_repeats_its_split(config, folder, tmp_path, console):
    tested, one = [], None
    for fold in (1, 2, 3):
        out = tmp_path / f"fold{fold}"
        done = train.run(quick(config, out, folder, folds=3, fold=fold), console=console)
        described = json.loads((out / "run.json").read_text())["data"]
        assert described["split"]["how"] == f"fold {fold} of 3 for test"
        tested += described["test"]
        assert done.test["images"] == len(described["test"])
        one = one or described
    assert len(tested) == len(set(tested)) == 48  # the unreadable one is skipped
    again = tmp_path / "again"
    train.run(quick(config, again, folder, split_file=tmp_path / "fold1" / "run.json"), console=console)
    described = json.loads((again / "run.json").read_text())["data"]
    for side in ("training", "validation", "test"):
        assert sorted(described[side]) == sorted(one[side])
    assert described["split"]["how"] == "the file run.json"
    assert described["left_out"] == ["low/broken.png"]
    assert "1 image of the data is not in run.json and left out, such as low/broken.png." in console.file.getvalue()


def test_images_that_are_read_otherwise_than_in_the_training_are_said(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    described = {"kind": "training", "config": {"window": ["0", "4095"], "transpose": True}}
    (path / "run.json").write_text(json.dumps(described))
    config = EvaluateConfig(data="folder", model=(str(path),), out=Path("o"), split="all")
    assert run_data.reading_notes(config, str(path)) == [
        f"Model {path} was trained with --window 0 4095, and this run reads images with file.",
        f"Model {path} was trained with --transpose, unlike this run.",
    ]
    same = EvaluateConfig(data="folder", model=(str(path),), out=Path("o"), window=("0", "4095.0"), transpose=True)
    assert run_data.reading_notes(same, str(path)) == []
    dataset = Dataset("grey", ("x", "y"), None, tuple(Case(f"{at}", at % 2, Grey(at)) for at in range(4)))
    assert len(run_data.held_out(config, (str(path),), dataset).notes) == 2
