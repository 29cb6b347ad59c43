"""Chest X-ray phantoms with several findings per image, and the split of a multi-label data set."""

import numpy as np
import pytest

from xaijax import data
from xaijax._errors import InputError
from xaijax.data import phantoms, split


@pytest.fixture(scope="module")
def dataset():
    return data.open_dataset("phantoms:chest_xray", findings=True, count=16, size=64, seed=3)


def test_every_combination_is_as_frequent_as_any_other(dataset):
    assert dataset.multi_label
    assert dataset.classes == ("opacity", "ground_glass", "nodule")
    rows, counts = np.unique(dataset.labels, axis=0, return_counts=True)
    assert rows.shape == (8, 3)
    assert set(counts) == {2}


def test_the_masks_of_an_image_are_those_of_its_findings(dataset):
    batch = dataset.read()
    for labels, elements, has in zip(batch.labels, batch.elements, batch.has_mask, strict=True):
        named = {one.name.rstrip(" 12") for one in elements}
        assert named == {name for name, there in zip(dataset.classes, labels, strict=True) if there}
        assert all(one.role == "lesion" and one.mask.any() for one in elements)
        assert has == bool(named)


def test_a_finding_changes_nothing_but_its_own_place():
    """The same chest with and without a nodule: the images agree away from its mask, the other masks are the same."""
    with_it, without = (
        phantoms.FindingsPhantom(found, 96, 5, 1).read(masks=True) for found in (("opacity", "nodule"), ("opacity",))
    )
    nodule = next(one.mask for one in with_it.elements if one.name == "nodule")
    changed = (with_it.image != without.image)[..., 0]
    assert changed.any()
    assert not (changed & ~nodule).any()
    np.testing.assert_array_equal(with_it.elements[0].mask, without.elements[0].mask)
    brighter = with_it.image[..., 0][nodule].mean() - without.image[..., 0][nodule].mean()
    assert brighter > 5


def test_longer_sets_begin_with_shorter_ones(dataset):
    longer = phantoms.findings_dataset(count=20, size=64, seed=3)
    np.testing.assert_array_equal(longer.read(range(4)).images, dataset.read(range(4)).images)


def test_both_sides_of_a_split_have_every_finding_and_images_without():
    whole = phantoms.findings_dataset(count=64, size=32, seed=0)
    training, validation = split(whole, 0.25, seed=0)
    assert sorted([*training, *validation]) == list(range(64))
    share = whole.labels[validation].mean(0)
    np.testing.assert_allclose(share, 0.5, atol=0.15)
    assert (whole.labels[validation].sum(1) == 0).any()


def test_other_phantoms_have_one_class():
    with pytest.raises(InputError, match="brain_mri phantoms have one class per image"):
        data.open_dataset("phantoms", findings=True)
    with pytest.raises(InputError, match="leave it out with findings"):
        data.open_dataset("phantoms:chest_xray", findings=True, lesions=2)
