"""Localization through `evaluate`: definitions by scikit-learn and NumPy, empty masks, and the roles of masks."""

import numpy as np
import pytest
from sklearn import metrics as sk

from xaijax._errors import InputError
from xaijax.metrics import METRICS, evaluate, oracle_maps
from xaijax.metrics.localization import REASON_CODES

NAMES = [name for name, metric in METRICS.items() if metric.family == "localization"]


class NoModel:
    def predict(self, images):
        raise AssertionError("localization needs no forward pass")


def score(maps, masks, metrics, **options):
    images = np.zeros((*np.shape(next(iter(maps.values()))), 1), np.uint8)
    labels = np.zeros(len(images), int)
    return evaluate(NoModel(), images, labels, maps, masks, metrics, **options)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    masks = np.zeros((3, 20, 24), bool)
    masks[0, 3:9, 4:14] = masks[1, 10:, 10:] = masks[2, :2, :2] = True
    return rng.random((3, 20, 24)).astype(np.float32), masks


def test_values_are_those_of_the_definitions(problem):
    maps, masks = problem
    scores = score({"cam": maps}, masks, ["average_precision", "roc_auc", "pointing_game", "iou", "top15_energy"])
    for i, (values, mask) in enumerate(zip(maps, masks, strict=True)):
        got = dict(zip(*scores_of(scores, str(i)), strict=True))
        assert got["average_precision"] == pytest.approx(sk.average_precision_score(mask.ravel(), values.ravel()))
        assert got["roc_auc"] == pytest.approx(sk.roc_auc_score(mask.ravel(), values.ravel()))
        assert got["pointing_game"] == mask.ravel()[values.argmax()]
        scaled = (values.astype(float) - values.min()) / (float(values.max()) - values.min())
        high = scaled >= 0.5
        assert got["iou"] == pytest.approx((high & mask).sum() / (high | mask).sum())
        top = np.argsort(scaled.ravel())[-int(np.ceil(0.15 * scaled.size)) :]
        energy = scaled.ravel()[top]
        assert got["top15_energy"] == pytest.approx(energy[mask.ravel()[top]].sum() / energy.sum())


@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_the_threshold_of_overlaps_can_be_set(problem, threshold):
    maps, masks = problem
    settings = {"localization": {"threshold": threshold}}
    scores = score({"cam": maps}, masks, ["iou", "dice"], settings=settings)
    for i, (values, mask) in enumerate(zip(maps, masks, strict=True)):
        got = dict(zip(*scores_of(scores, str(i)), strict=True))
        high = (values.astype(float) - values.min()) / (float(values.max()) - values.min()) >= threshold
        assert got["iou"] == pytest.approx(sk.jaccard_score(mask.ravel(), high.ravel()))
        assert got["dice"] == pytest.approx(sk.f1_score(mask.ravel(), high.ravel()))


def test_the_tolerance_of_the_pointing_game_can_be_that_of_the_original():
    """15 pixels in Zhang et al.: a peak 12 pixels left of the lesion is a hit, one 16 pixels off is none."""
    maps, masks = np.zeros((2, 40, 40), np.float32), np.zeros((2, 40, 40), bool)
    masks[:, 20:25, 20:25] = True
    maps[0, 22, 8] = maps[1, 22, 4] = 1.0
    for tolerance, hits in ((0, [0.0, 0.0]), (12, [1.0, 0.0]), (15, [1.0, 0.0]), (16, [1.0, 1.0])):
        settings = {"localization": {"tolerance": tolerance}}
        assert score({"cam": maps}, masks, ["pointing_game"], settings=settings).value.tolist() == hits
    for name, wrong in (("tolerance", -1), ("threshold", 0), ("threshold", 1.5)):
        with pytest.raises(InputError, match=rf"localization\.{name}"):
            score({"cam": maps}, masks, ["iou"], settings={"localization": {name: wrong}})


def scores_of(scores, image):
    chosen = scores.select(image=image)
    return chosen.metric, chosen.value


def test_the_mask_itself_is_a_perfect_map(problem):
    _, masks = problem
    scores = score({"truth": masks.astype(np.float32)}, masks, NAMES)
    best = {"centroid_distance": 0.0}
    # The 15 % largest pixels of a smaller mask hold others too.
    for name in sorted(set(NAMES) - {"top15_precision", "iou_top15"}):
        _, _, values = scores.matrix(name)
        np.testing.assert_allclose(values, best.get(name, 1.0), atol=1e-12, err_msg=name)


def test_the_oracle_falls_with_the_distance_to_the_mask_and_ties_nothing_that_matters():
    mask = np.zeros((40, 40), bool)
    mask[10:14, 20:26] = True
    truth = oracle_maps(np.stack([mask, np.zeros_like(mask)]))
    assert not truth[1].any()
    assert truth[0][mask].min() >= 1 > truth[0][~mask].max() > 0
    rows, columns = np.indices(mask.shape)
    inside = np.argwhere(mask)
    away = np.sqrt(((np.stack([rows, columns], -1)[:, :, None] - inside) ** 2).sum(-1)).min(-1)
    np.testing.assert_allclose(truth[0][~mask], 1 / (1 + away[~mask]), rtol=1e-6)
    # The mask alone has two values: the first fraction beyond it would reveal the whole image.
    shares = [(truth[0] >= np.quantile(truth[0], 1 - fraction)).mean() for fraction in (0.02, 0.1, 0.5)]
    assert shares == pytest.approx([0.02, 0.1, 0.5], abs=0.02)


def test_an_empty_mask_has_no_value_whatever_the_metric(problem):
    maps, masks = problem
    masks[1] = False
    scores = score({"cam": maps}, masks, NAMES)
    chosen = scores.select(image="1")
    assert np.isnan(chosen.value).all()
    assert set(chosen.reason) == {"empty_mask"}
    assert not np.isnan(scores.select(image="0").value).any()


def test_flat_maps_and_full_masks_are_said(problem):
    maps, masks = problem
    maps[0] = 1.0
    masks[1] = True
    scores = score({"cam": maps}, masks, ["roc_auc", "energy"])
    assert scores.select(image="0", metric="energy").reason.tolist() == ["flat_map"]
    assert scores.select(image="1", metric="roc_auc").reason.tolist() == ["full_mask"]


def test_the_kernel_and_the_metrics_agree_on_the_codes():
    from xaijax import kernels

    words = {"empty_mask": "empty", "full_mask": "covers", "flat_map": "flat", "not_finite": "not finite"}
    assert len(kernels.LOCALIZATION_REASONS) == len(REASON_CODES)
    for sentence, code in zip(kernels.LOCALIZATION_REASONS[1:], REASON_CODES[1:], strict=True):
        assert words[code] in sentence
    assert {METRICS[name].measure for name in NAMES} == set(kernels.LOCALIZATION_SCORES)


@pytest.mark.parametrize("role", ["organ", "artefact", None])
def test_lesion_scores_refuse_other_roles(problem, role):
    maps, masks = problem
    with pytest.raises(ValueError, match=f"pointing_game needs lesion masks; these masks have the role {role!r}"):
        score({"cam": maps}, {role: masks}, ["pointing_game"])
    with pytest.raises(ValueError, match="the ground-truth oracle needs lesion masks"):
        oracle_maps(masks, mask_role=role)


def test_bad_arguments_are_one_sentence(problem):
    maps, masks = problem
    with pytest.raises(ValueError, match="masks must have roles out of lesion, organ, artefact; got 'tumour'"):
        score({"cam": maps}, {"tumour": masks}, ["iou"])
    with pytest.raises(ValueError, match="mask_role must be one of lesion, organ, artefact; got 'tumour'"):
        oracle_maps(masks, mask_role="tumour")
    with pytest.raises(ValueError, match=r"masks must be \[B, H, W\] = \(3, 20, 24\) like images; got \(3, 10, 24\)"):
        evaluate(NoModel(), np.zeros((3, 20, 24, 1), np.uint8), [0, 0, 0], {"cam": maps}, masks[:, :10], ["iou"])
    with pytest.raises(ValueError, match="iou needs masks; got none"):
        evaluate(NoModel(), np.zeros((3, 20, 24, 1), np.uint8), [0, 0, 0], {"cam": maps}, None, ["iou"])
    broken = maps.copy()
    broken[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="the map of 'cam' for image '1' holds NaN"):
        score({"cam": broken}, masks, ["iou"])


def test_uint8_masks_count_from_one(problem):
    maps, masks = problem
    bools = score({"cam": maps}, masks, NAMES)
    for scale in (1, 255):
        np.testing.assert_array_equal(score({"cam": maps}, masks.astype(np.uint8) * scale, NAMES).value, bools.value)
