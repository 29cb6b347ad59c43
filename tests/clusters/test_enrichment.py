"""Tests of columns, against SciPy's Fisher test and its correction; places and sentences, against what is planted."""

import numpy as np
import pytest
from scipy import stats

from xaijax.clusters import conclusion, describing
from xaijax.clusters.describing import Cluster, Lying
from xaijax.clusters.enrichment import Column, enrichment, usable


def random_columns(rng, count):
    site = rng.choice(["A", "B", "C"], count)
    missing = np.where(rng.random(count) < 0.2, "", rng.choice(["x", "y"], count))
    return [Column("site", tuple(site)), Column("scanner", tuple(missing))]


def test_p_values_are_those_of_fishers_test_and_corrected_over_all():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    columns = random_columns(rng, 90)
    tests = enrichment(labels, columns)
    assert len(tests) == 3 * (3 + 2)
    for test in tests:
        values = np.array(next(column.values for column in columns if column.name == test.column))
        own, known, has = labels == test.cluster, values != "", values == test.value
        table = [
            [(own & has).sum(), (own & known & ~has).sum()],
            [(~own & has).sum(), (~own & known & ~has).sum()],
        ]
        assert test.p == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue, rel=1e-9)
        assert (test.inside, test.size) == (table[0][0], sum(table[0]))
        assert (test.outside, test.others) == (table[1][0], sum(table[1]))
    wanted = stats.false_discovery_control([test.p for test in tests])
    np.testing.assert_allclose([test.q for test in tests], wanted)


def test_false_discoveries_are_rare_where_nothing_is_tied():
    """Of 200 runs whose columns are drawn apart from the clusters, at most one in twenty finds anything."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        tests = enrichment(rng.integers(0, 4, 60), random_columns(rng, 60))
        wrong += any(test.significant for test in tests)
    assert wrong <= stats.binom.ppf(0.999, 200, 0.05)


def test_columns_that_say_nothing_are_left_out_with_a_reason():
    many = tuple(str(number // 5) for number in range(150))
    columns = [
        Column("device", ("one",) * 150),
        Column("note", ("",) * 150),
        Column("age", tuple(map(str, range(150)))),
        Column("ward", many),
        Column("patient", many, "patient"),
        Column("site", ("A", "B") * 75),
    ]
    kept, left = usable(columns)
    assert [column.name for column in kept] == ["patient", "site"]
    assert left == {
        "device": "one value for all images",
        "note": "not known of any image",
        "age": "no value of 5 images or more",
        "ward": "30 different values, more than 20",
    }


@pytest.mark.parametrize(
    ("row", "column", "place"), [(1, 1, "top left"), (1, 15, "top right"), (8, 8, "middle"), (15, 7, "bottom")]
)
def test_places(row, column, place):
    mean = np.zeros((16, 16))
    mean[row, column] = 1
    assert describing.place_of(mean) == place
    assert describing.border_of(mean) == pytest.approx(float(row in (1, 15) or column in (1, 15)))


def test_the_border_takes_its_share_of_cells_that_it_cuts():
    even = np.full((7, 5), 1 / 35)  # an eighth of seven cells cuts the first one
    assert describing.border_of(even) == pytest.approx(1 - 0.75**2)


def made(number=0, *, images=20, border=0.1, lying=(), place="middle"):
    roles = {one.role: one for one in lying}
    return Cluster(number, np.arange(images), np.ones((4, 4)) / 16, place, border, roles, 0.9, 0.2)


def two_clusters(**values):
    """Two clusters of 20; the first has these values in 18 of its images, the second in 2."""
    columns = [
        Column(name, (value,) * 18 + (other,) * 2 + (value,) * 2 + (other,) * 18, kind)
        for name, (kind, value, other) in values.items()
    ]
    return enrichment(np.repeat([0, 1], 20), columns)


ON = Lying("artefact", 18, 20, 0.5, 0.05)
OFF = Lying("artefact", 18, 20, 0.06, 0.05)
CUE = {"marker": ("artefact", "shown", "absent")}
SITE = {"site": ("other", "B", "A")}


@pytest.mark.parametrize(
    ("one", "values", "kind", "words"),
    [
        (made(lying=[ON]), CUE, "cue", "lies where the marker is: 90 % of its images carry it, 10 % of the others"),
        (made(lying=[ON]), {}, "artefact", "hold 50 % of its evidence and take 5 % of the area of the 18 images"),
        (made(lying=[OFF]), CUE, "carried", "carries the marker more often"),
        (made(), SITE, "column", "is of site B: 90 % of its images, 10 % of the others (q < 0.001)"),
        (made(border=0.8, place="top"), {}, "border", "lies at the border of the image, at the top: the outer eighth"),
        (made(), {"prediction": ("right", "wrong", "right")}, "wrong", "is predicted wrongly more often"),
        (made(), {"class": ("class", "ill", "well")}, "class", "is of class ill"),
        (made(), {"predicted class": ("predicted", "ill", "well")}, "place", "middle; predicted as ill: 90 % of its"),
        (made(), {}, "place", "no column is tied to it"),
    ],
)
def test_a_cluster_is_named_by_what_it_points_at(one, values, kind, words):
    found = conclusion.findings([one, made(1)], two_clusters(**values), 40)
    mine = next(finding for finding in found if finding.cluster == 0)
    assert mine.kind == kind
    assert words in mine.sentence
    assert mine.sentence.startswith("Cluster 1 (50 % of the images)")


def test_the_strongest_shortcut_leads():
    first, second = made(0, border=0.9, place="top"), made(1, lying=[ON])
    labels = np.repeat([0, 1], 20)
    tests = enrichment(labels, [Column("ruler", ("absent",) * 20 + ("shown",) * 20, "artefact")])
    found = conclusion.findings([first, second], tests, 40)
    assert [one.kind for one in found] == ["cue", "border"]
    assert conclusion.headline(found, 40) == (
        "Cluster 2 (50 % of the images) lies where the ruler is: 100 % of its images carry it, 0 % of the others "
        "(q < 0.001)."
    )
    plain = conclusion.findings([made(0), made(1)], [], 40)
    assert conclusion.headline(plain, 40).startswith("No cluster points at a shortcut: the 2 clusters of 40 images")


def test_a_few_images_at_the_border_are_no_shortcut():
    assert not made(images=4, border=0.9, place="top").bordering
    assert made(images=5, border=0.9, place="top").bordering
