"""Constructions predicted from one another, by hand; natural mosaics."""

import numpy as np
import pytest
from scipy import stats

from xaijax.metrics.calibration import Row, judge, leave_one_out, plan
from xaijax.metrics.calibration.cells import cell_of, shrink

NAMES = ("view", "mosaic", "parts")
TEXTURES, LEVELS = ["white", "edges"], [0.0, 0.5, 1.0]


def described(names=NAMES):
    counts = {name: {"cases": 1, "groups": 1, "left_out": {}} for name in names}
    return {"depth": "quick", "seed": 0, "images": 1, "classes": ["a"], "textures": TEXTURES, "levels": LEVELS,
            "constructions": counts}  # fmt: skip


def rows(metric, construction, values):
    maps = ["truth", "white|0.5", "edges|0.5", "white|1", "edges|1"]
    return [Row(construction, 0, "g", "a", name, metric, value, "") for name, value in zip(maps, values, strict=True)]


def concordance(values):
    """By hand: of two textures, which map has more truth."""
    truth, white, edges, white_1, edges_1 = values
    pairs = [(truth, white), (truth, edges), (truth, white_1), (truth, edges_1), (white, edges_1), (edges, white_1)]
    # The truth belongs to both textures, so it is compared once with each map of the other.
    return np.mean([(a > b) + (a == b) / 2 for a, b in pairs])


def test_each_construction_is_predicted_from_the_others():
    rng = np.random.default_rng(0)
    metrics = ["sic_mutual", "deletion_black", "sparseness", "irof", "road"]
    given = {(m, name): rng.permutation(5).astype(float) for m in metrics for name in NAMES}
    made = judge(described(), [row for (m, name), values in given.items() for row in rows(m, name, values)])
    signs = {m: 1 if made.metrics[m].higher_is_better else -1 for m in metrics}
    c = np.array([[concordance(signs[m] * given[m, name]) for name in NAMES] for m in metrics])
    found = leave_one_out(made)
    assert list(found) == list(NAMES)
    for place, name in enumerate(NAMES):
        here, others = c[:, place], np.delete(c, place, axis=1).mean(axis=1)
        one = found[name]
        assert one.metrics == 5
        assert one.spearman == pytest.approx(stats.spearmanr(here, others).statistic)
        assert one.error == pytest.approx(np.abs(here - others).mean())
        assert one.agree == np.mean((here >= 0.7) == (others >= 0.7))


def test_too_little_to_predict():
    one = judge(described(["view"]), rows("road", "view", [5.0, 4, 3, 2, 1]))
    assert leave_one_out(one) == {}
    same = [row for name in NAMES for m in ("road", "irof") for row in rows(m, name, [5.0, 4, 3, 2, 1])]
    found = leave_one_out(judge(described(), same))
    assert np.isnan(found["view"].spearman)
    assert found["view"].error == 0
    assert found["view"].metrics == 2


class Corners:
    """Three classes by the largest grey level: 0.3, 0.6, 0.9; the brightest image of a canvas decides."""

    classes = ("dark", "middle", "bright")

    def predict(self, images):
        far = np.abs(np.asarray(images, np.float64).max(axis=(1, 2, 3))[:, None] - np.array([0.3, 0.6, 0.9]))
        odds = np.exp(-60 * far)
        return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(16, 16), (17, 19)])
def test_a_natural_mosaic_is_seen_whole(size):
    labels = np.arange(9) % 3
    images = np.zeros((9, *size, 1), np.float32)
    images[:, 4:8, 4:8] = np.array([0.3, 0.6, 0.9], np.float32)[labels][:, None, None, None]
    made = plan(Corners(), images, labels, constructions=["natural"])
    # On a canvas the brightest class wins: for the others the model predicts another class.
    assert {case.label for case in made.cases} == {2}
    assert len(made.cases) == 3
    assert made.left_out["natural"] == {"not_predicted_canvas": 6}
    for case in made.cases:
        scene = made.scene(case.number)
        cell = int(np.argmax(case.weights))
        small = shrink(images)
        np.testing.assert_array_equal(cell_of(scene.image, cell), small[case.sources[cell]])
        assert all(labels[source] != 2 for k, source in enumerate(case.sources) if k != cell)
        inside = np.zeros(scene.image.shape[:2], bool)
        cell_of(inside[..., None], cell)[:] = True
        assert (scene.truth[inside] > 0).all()
        assert not scene.truth[~inside].any()
        # The whole canvas counts: another cell can change the answer, which it cannot in "mosaic".
        changed = scene.image.copy()
        cell_of(changed, (cell + 1) % 4)[:] = 1.0
        before, after = (scene.classifier.predict(one[None]) for one in (scene.image, changed))
        assert not np.array_equal(before, after)


def test_natural_mosaics_are_made_on_request_alone():
    images = np.zeros((4, 16, 16, 1), np.float32)
    images[:, 4:8, 4:8] = 0.9
    made = plan(Corners(), images, [2] * 4, depth="full")
    assert "natural" not in made.constructions
    alone = plan(Corners(), images, [2] * 4, constructions=["natural"])
    assert alone.left_out["natural"] == {"no_other_class": 4}
