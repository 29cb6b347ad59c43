"""Maps against artefact masks: planted shares, both masks against each other, and the roles."""

import numpy as np
import pytest

from xaijax.metrics import evaluate

ALONE = ["artefact_mass", "artefact_top15"]
AGAINST = ["artefact_mass_against_lesion", "artefact_top15_against_lesion"]


def score(maps, masks, metrics, **options):
    images = np.zeros((*np.shape(maps), 1), np.uint8)
    return evaluate(None, images, np.zeros(len(images), int), {"m": maps}, masks, metrics, **options)


@pytest.fixture
def planted():
    """15 of 100 pixels are marked: 6 of height 2 on the artefact, 3 of height 1 on the lesion, 6 of height 1 beside."""
    maps = np.full((1, 10, 10), -1.0)
    artefact, lesion = np.zeros((2, 1, 10, 10), bool)
    artefact[0, 0, :6] = lesion[0, 5, :5] = True
    maps[0, 0, :6], maps[0, 5, :3], maps[0, 9, :6] = 2.0, 1.0, 1.0
    return maps, {"artefact": artefact, "lesion": lesion}


def test_shares_are_those_that_were_planted(planted):
    maps, masks = planted
    scores = score(maps, masks, [*ALONE, *AGAINST])
    np.testing.assert_allclose(scores.value, [12 / 21, 6 / 15, 12 / 15, 6 / 9], atol=1e-12)
    one = score(maps, {"artefact": masks["artefact"]}, ALONE)
    np.testing.assert_array_equal(one.value, scores.value[:2])


def test_what_has_no_value_is_said(planted):
    maps, masks = planted
    maps = np.concatenate([maps, np.ones((1, 10, 10)), -maps - 3, maps, maps])
    masks = {role: mask.repeat(5, 0) for role, mask in masks.items()}
    masks["lesion"][3] = False
    for role in masks:
        masks[role][4] = False
        masks[role][4, 2, 2:4] = True  # where the map is negative
    scores = score(maps, masks, [*ALONE, *AGAINST])
    assert scores.select(image="1").reason.tolist() == ["flat_map"] * 4
    assert scores.select(image="2").reason.tolist() == ["not_positive"] * 4
    assert scores.select(image="3").reason.tolist() == ["", "", "empty_mask", "empty_mask"]
    assert scores.select(image="4").reason.tolist() == ["", "", "on_neither", "on_neither"]
    np.testing.assert_array_equal(scores.select(image="4").value[:2], 0.0)


def test_the_masks_must_be_of_artefacts(planted):
    maps, masks = planted
    with pytest.raises(ValueError, match="artefact_mass needs artefact masks; these masks have the role 'lesion'"):
        score(maps, masks["lesion"], ["artefact_mass"])
    with pytest.raises(ValueError, match="artefact_mass_against_lesion needs lesion masks; these masks have the role"):
        score(maps, {"artefact": masks["artefact"]}, AGAINST)
    with pytest.raises(ValueError, match="iou needs lesion masks; these masks have the role 'artefact'"):
        score(maps, {"artefact": masks["artefact"]}, ["iou"])
    with pytest.raises(ValueError, match="artefact_top15 needs masks; got none"):
        score(maps, None, ["artefact_top15"])
    with pytest.raises(ValueError, match="masks must have roles out of lesion, organ, artefact; got 'label'"):
        score(maps, {"label": masks["artefact"]}, ["artefact_top15"])
