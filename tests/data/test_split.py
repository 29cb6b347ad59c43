"""Splits: whole groups, identical pixels on one side, classes in proportion, the same for a seed."""

import csv
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from xaijax.data import Case, Dataset, open_dataset, split


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


def dataset_of(rows, classes=("a", "b")):
    cases = tuple(Case(str(at), label, Stub(key), group) for at, (label, group, key) in enumerate(rows))
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
