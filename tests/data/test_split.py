"""Splits: whole groups, identical pixels on one side, classes in proportion, the same for a seed."""

import csv
import dataclasses
import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from xaijax._errors import InputError
from xaijax.data import Case, Dataset, folds, leaks, open_dataset, own_split, partition, read_split, split
from xaijax.data._own_split import fold_sides


@dataclass(frozen=True)
class Stub:
    """A source known by its fingerprint alone; splitting never needs more."""

    key: str

    roles = ()

    def read(self, *, masks):
        raise AssertionError("a split has no use for masks or pixels of one case")

    def fingerprint(self):
        if self.key == "broken":
            raise OSError("truncated")
        return self.key


def dataset_of(rows, classes=("a", "b"), ids=None):
    cases = tuple(
        Case(ids[at] if ids else str(at), label, Stub(key), group) for at, (label, group, key) in enumerate(rows)
    )
    return Dataset("stubs", classes, None, cases)


def test_singles_are_stratified_exactly():
    dataset = dataset_of([(at % 3 // 2, None, str(at)) for at in range(90)])
    train, validation = split(dataset, 0.2, seed=1)
    assert sorted([*train, *validation]) == list(range(90))
    assert np.bincount(dataset.labels[validation]).tolist() == [12, 6]


def test_seeds():
    dataset = dataset_of([(at % 2, None, str(at)) for at in range(60)])
    first, again, other = (split(dataset, 0.25, seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def components(rows):
    """Which cases belong together, by SciPy's connected components of the graph of shared groups and pixels."""
    together = np.array([[(a[1] is not None and a[1] == b[1]) or a[2] == b[2] for b in rows] for a in rows])
    return connected_components(csr_array(together), directed=False)[1]


case = st.tuples(st.integers(0, 1), st.one_of(st.none(), st.integers(0, 12).map(str)), st.integers(0, 60).map(str))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(case, min_size=30, max_size=80), st.sampled_from([0.1, 0.25, 0.5]), st.integers(0, 5))
def test_groups_and_duplicates_are_never_cut(rows, fraction, seed):
    dataset = dataset_of(rows)
    unit = components(rows)
    labels = dataset.labels
    if any((labels == label).sum() > 1 and len(set(unit[labels == label])) == 1 for label in (0, 1)):
        with pytest.raises(ValueError, match="cannot be on both sides"):
            split(dataset, fraction, seed)
        return
    train, validation = split(dataset, fraction, seed)
    assert len(train)
    assert len(validation)
    assert sorted([*train, *validation]) == list(range(len(rows)))
    for column in (1, 2):
        left = {rows[at][column] for at in train} - {None}
        right = {rows[at][column] for at in validation} - {None}
        assert not left & right


def test_uneven_groups_come_near_the_fraction():
    rng = np.random.default_rng(0)
    rows = [(group % 2, f"g{group}", f"{group}-{at}") for group in range(40) for at in range(rng.integers(1, 25))]
    dataset = dataset_of(rows)
    _, validation = split(dataset, 0.2, seed=0)
    shares = np.bincount(dataset.labels[validation]) / np.bincount(dataset.labels)
    np.testing.assert_allclose(shares, 0.2, atol=0.02)


def test_unreadable_files_do_not_stop_a_split():
    train, validation = split(dataset_of([(at % 2, None, "broken") for at in range(20)]), 0.5, seed=0)
    assert len(train) == len(validation) == 10


def test_pixels_false_reads_nothing():
    dataset = dataset_of([(at % 2, None, "same") for at in range(20)])
    assert len(split(dataset, 0.5, seed=0, pixels=False)[1]) == 10
    with pytest.raises(ValueError, match="images are one group"):
        split(dataset, 0.5, seed=0)


def test_a_class_of_one_patient_is_refused():
    rows = [(0, f"g{at}", str(at)) for at in range(10)] + [(1, "p", f"x{at}") for at in range(5)]
    with pytest.raises(
        ValueError, match=r"class 'b' .* cannot be on both sides of a split: its 5 images are one group"
    ):
        split(dataset_of(rows), 0.2, seed=0)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_bad_fractions(fraction):
    with pytest.raises(ValueError, match="fraction must lie between 0 and 1"):
        split(dataset_of([(at % 2, None, str(at)) for at in range(9)]), fraction, seed=0)


def test_identical_pixels_in_different_files_stay_together(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for at in range(20):
        pixels = rng.integers(0, 256, (8, 8), np.uint8)
        for suffix in ("png", "bmp"):
            Image.fromarray(pixels).save(tmp_path / f"{at}.{suffix}")
            rows.append({"file": f"{at}.{suffix}", "label": "ab"[at % 2]})
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ("file", "label"))
        writer.writeheader()
        writer.writerows(rows)
    dataset = open_dataset(tmp_path)
    train, validation = split(dataset, 0.3, seed=0)
    stems = [{dataset.cases[at].id.split(".")[0] for at in side} for side in (train, validation)]
    assert not stems[0] & stems[1]
    assert len(validation) == 12


# --- partition and folds --------------------------------------------------------------------------------------------

SHARES = {"training": 0.8, "validation": 0.1, "test": 0.1}


def permuted(dataset, order):
    return dataclasses.replace(dataset, cases=tuple(dataset.cases[at] for at in order))


def ids_of(dataset, parts):
    return [{dataset.cases[at].id for at in part} for part in parts]


def check_sides(rows, dataset, parts, shares):
    """What every division promises: complete, disjoint, units whole, classes on every side where that is possible."""
    assert sorted(np.concatenate(parts)) == list(range(len(rows)))
    unit, side = components(rows), np.zeros(len(rows), int)
    for number, part in enumerate(parts):
        assert list(part) == sorted(part)
        assert part.dtype == np.int64
        assert len(part)
        side[part] = number
    for one in set(unit):
        assert len(set(side[unit == one])) == 1
    pure = {one for one in set(unit) if len({rows[at][0] for at in np.flatnonzero(unit == one)}) == 1}
    for label in range(len(dataset.classes)):
        own = {int(one) for at, one in enumerate(unit) if rows[at][0] == label and one in pure}
        if len(own) >= len(shares):  # units of this class alone: nothing else keeps them from any side
            assert {int(side[at]) for at in range(len(rows)) if rows[at][0] == label} == set(range(len(shares)))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(case, min_size=30, max_size=80), st.integers(2, 6), st.integers(0, 5), st.randoms())
def test_partitions_and_folds_keep_what_they_promise(rows, k, seed, random):
    dataset = dataset_of(rows)
    unit = components(rows)
    labels = dataset.labels
    order = list(range(len(rows)))
    random.shuffle(order)
    for make, shares in (
        (lambda data: list(partition(data, SHARES, seed=seed).values()), list(SHARES.values())),
        (lambda data: folds(data, k, seed), [1 / k] * k),
    ):
        stuck = any((labels == label).sum() > 1 and len(set(unit[labels == label])) == 1 for label in (0, 1))
        if stuck or len(set(unit)) < len(shares):
            with pytest.raises(InputError, match=r"cannot be on both sides|cannot be divided into"):
                make(dataset)
            continue
        parts = make(dataset)
        check_sides(rows, dataset, parts, shares)
        other = permuted(dataset, order)
        assert ids_of(other, make(other)) == ids_of(dataset, parts)


@pytest.mark.parametrize("k", [2, 5, 10])
def test_single_images_are_divided_exactly(k):
    dataset = dataset_of([(at % 3 // 2, None, str(at)) for at in range(300)])
    parts = folds(dataset, k, seed=0)
    assert [np.bincount(dataset.labels[part]).tolist() for part in parts] == [[200 // k, 100 // k]] * k
    sides = partition(dataset, seed=3)
    assert list(sides) == ["training", "validation", "test"]
    counted = {side: np.bincount(dataset.labels[part]).tolist() for side, part in sides.items()}
    assert counted == {"training": [160, 80], "validation": [20, 10], "test": [20, 10]}


def test_uneven_groups_come_near_the_shares_for_every_seed():
    """Within 2 % of the images of every class, with patients of up to 24 images and two classes in some of them."""
    rng = np.random.default_rng(0)
    rows = [
        ((group + (at % 5 == 0 and group % 4 == 0)) % 2, f"g{group}", f"{group}-{at}")
        for group in range(60)
        for at in range(rng.integers(1, 25))
    ]
    dataset = dataset_of(rows)
    totals = np.bincount(dataset.labels)
    seen = set()
    for seed in range(6):
        for side, part in partition(dataset, SHARES, seed=seed).items():
            shares = np.bincount(dataset.labels[part], minlength=2) / totals
            np.testing.assert_allclose(shares, SHARES[side], atol=0.02)
            seen.add((side, tuple(part)))
        for part in folds(dataset, 5, seed=seed):
            np.testing.assert_allclose(np.bincount(dataset.labels[part]) / totals, 0.2, atol=0.02)
    assert len(seen) == 18  # each seed gives other sides


def test_a_class_of_few_units_is_on_the_sides_of_the_largest_shares():
    rows = [(0, None, f"a{at}") for at in range(40)] + [(1, f"p{at % 2}", f"b{at}") for at in range(6)]
    dataset = dataset_of(rows)
    sides = partition(dataset, SHARES, seed=0)
    assert [int((dataset.labels[part] == 1).sum()) for part in sides.values()] == [3, 3, 0]
    rows[-1] = (1, "p2", "c")
    sides = partition(dataset_of(rows), SHARES, seed=0)
    assert all((dataset.labels[part] == 1).any() for part in sides.values())
    rows = [(0, None, f"a{at}") for at in range(40)] + [(1, None, "b")]
    dataset = dataset_of(rows)
    assert 40 in partition(dataset, SHARES, seed=0)["training"]


def test_no_side_is_empty_though_every_image_has_a_class_of_its_own():
    dataset = dataset_of([(at, None, str(at)) for at in range(4)], classes=tuple("abcd"))
    assert sorted(map(len, partition(dataset, SHARES, seed=0).values())) == [1, 1, 2]
    assert [len(part) for part in folds(dataset, 4, seed=0)] == [1, 1, 1, 1]


def test_findings_are_stratified_one_by_one():
    """A rare finding, a frequent one, and images without any, in patients of three images."""
    rng = np.random.default_rng(1)
    findings = (rng.random((900, 3)) < [0.5, 0.1, 0.03]).astype(float)
    findings[rng.random((900, 3)) < 0.05] = np.nan
    cases = tuple(
        Case(f"{at:03d}", -1, Stub(str(at)), f"p{at // 3}", findings=tuple(row)) for at, row in enumerate(findings)
    )
    dataset = Dataset("multi", ("x", "y", "z"), None, cases)
    totals = (findings == 1).sum(0)
    nothing = np.nansum(findings, axis=1) == 0
    sides = partition(dataset, SHARES, seed=0, pixels=False)
    for side, part in sides.items():
        np.testing.assert_allclose((findings[part] == 1).sum(0) / totals, SHARES[side], atol=0.04)
        assert abs(len(part) / 900 - SHARES[side]) < 0.01
        assert abs(nothing[part].sum() / nothing.sum() - SHARES[side]) < 0.05
    for part in folds(dataset, 5, seed=0, pixels=False):
        np.testing.assert_allclose((findings[part] == 1).sum(0) / totals, 0.2, atol=0.05)
    training, validation = split(dataset, 0.2, seed=0, pixels=False)
    assert sorted([*training, *validation]) == list(range(900))
    np.testing.assert_allclose((findings[validation] == 1).sum(0) / totals, 0.2, atol=0.05)


def test_many_images_are_divided_without_delay():
    """A hundred thousand images in groups, in one pass; the shares are met to an image."""
    cases = tuple(Case(f"{at}", at % 7, Stub(""), f"p{at // 2}") for at in range(100_000))
    dataset = Dataset("many", tuple("abcdefg"), None, cases)
    sides = partition(dataset, SHARES, seed=0, pixels=False)
    counts = np.array([np.bincount(dataset.labels[part], minlength=7) for part in sides.values()])
    np.testing.assert_allclose(counts / counts.sum(0), np.array([[0.8], [0.1], [0.1]]) * np.ones(7), atol=0.001)


@pytest.mark.parametrize(
    "shares",
    [{}, {"a": 1.0}, {"a": 0.5, "b": 0.4}, {"a": 1.2, "b": -0.2}, {"a": float("nan"), "b": 0.5}],
)
def test_shares_that_divide_nothing_are_refused(shares):
    dataset = dataset_of([(at % 2, None, str(at)) for at in range(20)])
    with pytest.raises(InputError, match="shares must be those of two sides or more"):
        partition(dataset, shares, seed=0)
    with pytest.raises(InputError, match="k must be a whole number of 2 or more"):
        folds(dataset, 1, seed=0)


def test_a_side_without_a_share_is_empty():
    dataset = dataset_of([(at % 2, None, str(at)) for at in range(20)])
    sides = partition(dataset, {"training": 0.8, "validation": 0.2, "test": 0}, seed=0)
    assert [len(part) for part in sides.values()] == [16, 4, 0]


def test_sides_of_folds():
    parts = [np.array([0, 5]), np.array([1, 4]), np.array([2, 3])]
    found = fold_sides(parts, 2)
    assert {side: part.tolist() for side, part in found.items()} == {
        "training": [1, 4], "validation": [0, 5], "test": [2, 3],
    }  # fmt: skip
    assert len(fold_sides(parts[:2], 0)["validation"]) == 0


# --- the data's own split, a file, leaks ----------------------------------------------------------------------------


def with_sides(sides, rows=None):
    rows = rows or [(at % 2, None, str(at)) for at in range(len(sides))]
    dataset = dataset_of(rows)
    cases = tuple(dataclasses.replace(case, split=side) for case, side in zip(dataset.cases, sides, strict=True))
    return dataclasses.replace(dataset, cases=cases)


def test_the_own_split_is_taken_as_it_is():
    sides = ["training"] * 10 + ["validation"] * 4 + ["test"] * 6
    found, notes = own_split(with_sides(sides))
    assert {side: part.tolist() for side, part in found.items()} == {
        "training": [*range(10)], "validation": [*range(10, 14)], "test": [*range(14, 20)],
    }  # fmt: skip
    assert notes == []
    found, notes = own_split(with_sides([*sides[:14], *[None] * 6]))
    assert len(found["test"]) == 0
    assert notes == [
        "6 images are on no side of the data's own split and are left out.", "The data's own split has no test side.",
    ]  # fmt: skip


def test_a_validation_side_is_taken_from_training_by_groups():
    sides = ["training"] * 30 + ["test"] * 10
    rows = [(at // 2 % 2, f"p{at // 2}", str(at)) for at in range(40)]
    found, (note,) = own_split(with_sides(sides, rows), validation=0.2, seed=1)
    assert note == "The data's own split has no validation side: 4 of its 30 training images are taken for it."
    assert sorted([*found["training"], *found["validation"]]) == list(range(30))
    assert {rows[at][1] for at in found["training"]} & {rows[at][1] for at in found["validation"]} == set()
    assert found["test"].tolist() == [*range(30, 40)]


def test_own_folds():
    dataset = with_sides([f"fold {at % 5 + 1}" for at in range(20)])
    found, (note,) = own_split(dataset, fold=5)
    assert note == "Fold 5 of the data's own 5 is the test side, and fold 1 the validation side."
    assert found["test"].tolist() == [4, 9, 14, 19]
    assert found["validation"].tolist() == [0, 5, 10, 15]
    assert len(found["training"]) == 12
    found, (note,) = own_split(with_sides([f"fold {at // 10 + 1}" for at in range(20)]), fold=1, validation=0.2)
    assert [len(found[side]) for side in ("training", "validation", "test")] == [8, 2, 10]
    assert "some images of the other one are for validation" in note
    with pytest.raises(InputError, match="is 5 folds: name the test side with --fold, 1 to 5"):
        own_split(dataset)
    with pytest.raises(InputError, match="--fold is 7, and data set 'stubs' has the folds 1, 2, 3, 4, 5"):
        own_split(dataset, fold=7)


def test_data_without_a_split_of_their_own_are_refused():
    with pytest.raises(InputError, match="has no split of its own: leave out --own-split, or give --split-file"):
        own_split(with_sides([None] * 4))
    with pytest.raises(InputError, match=r"has no training side: it has test \(4\)"):
        own_split(with_sides(["test"] * 4))
    with pytest.raises(
        InputError, match=r"has no folds; its own split is training \(2\), test \(2\): leave out --fold"
    ):
        own_split(with_sides(["training", "test"] * 2), fold=1)


def written(path, text):
    path.write_text(text)
    return path


def test_a_file_says_the_sides(tmp_path):
    dataset = dataset_of([(at % 2, None, str(at)) for at in range(8)])
    sides = {"training": ["0", "1", "2", "3"], "validation": ["4", "5"], "test": ["6", "7"]}
    rows = [(file, side) for side, files in sides.items() for file in files]
    texts = {
        "a.csv": "split,file\n" + "".join(f"{side},{file}\n" for file, side in rows),
        "b.tsv": "File\tSplit\n" + "".join(f"{file}\t{side[:5].upper()}\n" for file, side in rows),
        "c.json": json.dumps(sides),
        "d.json": json.dumps([{"file": file, "split": side} for file, side in rows]),
        "run.json": json.dumps({"kind": "training", "data": {"name": "stubs", **sides}}),
    }  # fmt: skip
    for name, text in texts.items():
        found, notes = read_split(written(tmp_path / name, text), dataset)
        assert {side: part.tolist() for side, part in found.items()} == {
            "training": [0, 1, 2, 3], "validation": [4, 5], "test": [6, 7],
        }, name  # fmt: skip
        assert notes == []
    shorter = {"training": ["0", "1", "x"], "validation": ["4"]}
    found, notes = read_split(written(tmp_path / "e.json", json.dumps(shorter)), dataset)
    assert [len(part) for part in found.values()] == [2, 1, 0]
    assert notes == [
        "1 image of e.json is not in the data, such as x.",
        "5 images of the data are not in e.json and left out, such as 2, 3, 5 ...",
    ]


@pytest.mark.parametrize("form", ["a/1.png", "./a/1.png", "a/1", r"a\1.png", "/home/x/set/a/1.png", "set/a/1"])
def test_files_of_a_split_file_may_be_written_in_other_ways(tmp_path, form):
    dataset = dataset_of([(at % 2, None, str(at)) for at in range(4)], ids=["a/1.png", "b/1.png", "b/3.png", "b/4.png"])
    rows = f"file,split\n{form},train\n3,val\n4.png,test\nb/1,test\n"
    found, notes = read_split(written(tmp_path / "s.csv", rows), dataset)
    assert {side: positions.tolist() for side, positions in found.items()} == {
        "training": [0],
        "validation": [2],
        "test": [1, 3],
    }
    assert len(notes) == 1
    assert "written in another way than in the data, such as" in notes[0]


def test_a_name_that_fits_several_images_is_refused(tmp_path):
    dataset = dataset_of([(at % 2, None, str(at)) for at in range(3)], ids=["a/1.png", "b/1.png", "b/2.png"])
    with pytest.raises(ValueError, match=r"names '1.png', which fits 2 images, such as a/1.png and b/1.png: give each"):
        read_split(written(tmp_path / "s.csv", "file,split\n1.png,train\nb/2.png,test\n"), dataset)
    with pytest.raises(ValueError, match=r"puts '2' on two sides, training and test"):
        read_split(written(tmp_path / "s.csv", "file,split\nb/2.png,train\n2,test\n"), dataset)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("s.csv", "file,side\n0,test\n", r"must be a table with the columns file and split; it has file, side"),
        ("s.csv", "file,split\n0,holdout\n", r"puts '0' on the side 'holdout'; choose from training, validation"),
        ("s.csv", "file,split\n0,test\n0,train\n", r"puts '0' on two sides, test and training: leave one out"),
        ("s.csv", "file,split\na.png,test\n", r"names no image of data set 'stubs': it has a\.png, the data have 0, 1"),
        ("s.csv", "file,split\n0,val\n1,test\n", "names no image for training"),
        ("s.csv", "", r"it has no rows"),
        ("s.json", "{", "is not JSON"),
        ("s.json", '{"training": 3}', "holds something else; give a list of objects with file and split"),
        ("s.xlsx", "", "give a .csv, .tsv or .json file"),
        ("none", None, "and there is no such file"),
    ],
)
def test_a_bad_split_file_is_one_sentence(tmp_path, name, text, sentence):
    if text is not None:
        written(tmp_path / name, text)
    with pytest.raises(InputError, match=sentence) as caught:
        read_split(tmp_path / name, dataset_of([(at % 2, None, str(at)) for at in range(8)]))
    assert "\n" not in str(caught.value)


def test_leaks_are_counted_and_named():
    rows = [(0, "ann", "k0"), (1, "ann", "k1"), (0, "bob", "k2"), (1, None, "k3"), (0, None, "k0"), (1, None, "broken")]
    dataset = with_sides(["training", "test", "test", "training", "test", "test"], rows)
    found = leaks(dataset)
    assert (found.groups, found.group_images, found.pixels) == (1, 2, 2)
    assert found.sentences() == [
        "Sides of the split share images of one group: 1 group (patient) is on more than one, 2 images, such as "
        "0 (training) and 1 (test).",
        "Sides of the split share pixels: 2 images have the pixels of one on another side, such as 0 (training) and "
        "4 (test).",
    ]
    assert "ann" not in json.dumps(found.describe())  # the name of a group may be that of a patient
    assert leaks(dataset, pixels=False).pixels == 0
    assert not leaks(dataset, {"training": np.array([0, 3]), "test": np.array([2])})
    assert not leaks(dataset, partition(dataset, {"training": 0.5, "test": 0.5}, seed=0))
