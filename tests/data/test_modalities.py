"""Chest radiographs, lung CT and dermoscopy: exact masks, lesion counts, and only the lesion tells the class."""

import hashlib
import itertools
import re

import numpy as np
import pytest
from scipy import ndimage

from xaijax.data import open_dataset
from xaijax.data.phantoms import MODALITIES

NEW = ("chest_xray", "lung_ct", "dermoscopy")
PINNED = {"chest_xray": "d65649dc980543cf", "lung_ct": "e02e4fe70fd5633a", "dermoscopy": "f6681d5d1ada1ec2"}


def render(modality, label, seed, size=80, lesions=1):
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([9, seed])))
    image, masks = MODALITIES[modality].render(label, size, rng, lesions)
    return image, np.array(masks, bool).reshape(-1, size, size)


@pytest.mark.parametrize("modality", NEW)
def test_nothing_but_the_lesions_depends_on_the_class(modality):
    """The same case of every class: the same bytes wherever none of them has a lesion, other bytes inside."""
    for seed in range(4):
        drawn = [render(modality, label, seed) for label in MODALITIES[modality].classes]
        inside = np.any([masks.any(axis=0) for _, masks in drawn], axis=0)
        assert 0.002 < inside.mean() < 0.6
        for image, _ in drawn[1:]:
            np.testing.assert_array_equal(image[~inside], drawn[0][0][~inside])
        for (one, first), (other, second) in itertools.pairwise(drawn):
            either = first.any(axis=0) | second.any(axis=0)
            assert (one != other).any(axis=-1)[either].mean() > 0.5


@pytest.mark.parametrize("modality", NEW)
def test_pictures_types_and_masks(modality):
    dataset = open_dataset(f"phantoms:{modality}", count=6, size=64, seed=1)
    kind = MODALITIES[modality]
    assert dataset.classes == tuple(kind.classes)
    assert dataset.mask_role == "lesion"
    batch = dataset.read()
    assert batch.images.shape == (6, 64, 64, 3 if modality == "dermoscopy" else 1)
    assert batch.images.dtype == np.uint8
    for label, elements, has, mask in zip(batch.labels, batch.elements, batch.has_mask, batch.masks, strict=True):
        count = list(kind.classes.values())[label]
        assert len(elements) == count
        assert has == (count > 0) == mask.any()
        assert {one.role for one in elements} <= {"lesion"}
    with pytest.raises(ValueError, match=re.escape(f"lesions of {modality} phantoms must be an integer from 1 to")):
        open_dataset(f"phantoms:{modality}", lesions=9)


def test_brain_mri_has_one_lesion():
    assert open_dataset("phantoms", count=3, lesions=1).options == open_dataset("phantoms", count=3).options
    with pytest.raises(ValueError, match="lesions of brain_mri phantoms must be an integer from 1 to 1; got 2"):
        open_dataset("phantoms", lesions=2)
    with pytest.raises(ValueError, match="lesions is an option of phantoms"):
        open_dataset(".", lesions=2)


@pytest.mark.parametrize("modality", NEW)
def test_reading_is_deterministic_and_a_longer_set_begins_with_the_shorter(modality):
    short = open_dataset(f"phantoms:{modality}", count=3, size=48, seed=2).read([2, 1, 0])
    long = open_dataset(f"phantoms:{modality}", count=30, size=48, seed=2).read(range(3))
    np.testing.assert_array_equal(short.images[::-1], long.images)
    np.testing.assert_array_equal(short.masks[::-1], long.masks)
    other = open_dataset(f"phantoms:{modality}", count=3, size=48, seed=3).read()
    assert (other.images != long.images).mean() > 0.3


@pytest.mark.parametrize("modality", NEW)
def test_any_size_shows_the_same_case(modality):
    small = open_dataset(f"phantoms:{modality}", count=3, size=50, seed=5).read(shape=(32, 32, 1))
    large = open_dataset(f"phantoms:{modality}", count=3, size=224, seed=5).read(shape=(32, 32, 1))
    for one, other in zip(small.images, large.images, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("modality", NEW)
def test_several_lesions(modality):
    kind = MODALITIES[modality]
    for label, each in kind.classes.items():
        _, masks = render(modality, label, 3, lesions=kind.most)
        assert len(masks) == each * kind.most
        assert masks.any(axis=(1, 2)).all()
        if modality != "chest_xray":  # patches of ground glass in one lung may meet
            assert masks.sum(axis=0).max(initial=0) <= 1
    batch = open_dataset(f"phantoms:{modality}", count=3, size=48, lesions=2).read()
    assert [one.name for one in batch.elements[1]] == ["lesion 1", "lesion 2"]


@pytest.mark.parametrize("modality", NEW)
def test_tiny_pictures_have_masks(modality):
    for label, each in MODALITIES[modality].classes.items():
        for seed in range(6):
            assert render(modality, label, seed, size=16)[1].any(axis=(1, 2)).sum() == each


def test_ground_glass_is_peripheral_in_both_lungs_and_opacities_are_denser():
    middle = np.abs(np.arange(128) - 63.5) < 8
    for seed in range(6):
        normal = render("chest_xray", "normal", seed, 128)[0][..., 0].astype(float)
        image, (mask,) = render("chest_xray", "opacity", seed, 128)
        haze, (left, right) = render("chest_xray", "ground_glass", seed, 128)
        assert left[:, 64:].sum() < 0.05 * left.sum()
        assert right[:, :64].sum() < 0.05 * right.sum()
        assert not (left | right)[:, middle].any()
        denser = (image[..., 0] - normal)[mask].mean()
        assert denser > 12
        assert 3 < (haze[..., 0] - normal)[left | right].mean() < denser + 15
        assert ndimage.binary_erosion(mask, iterations=3).any()


def test_benign_nodules_are_round_and_malignant_ones_spiculated():
    from skimage.measure import regionprops

    def solidity(label):
        return [
            regionprops(render("lung_ct", label, seed, 160)[1][0].astype(np.uint8))[0].solidity for seed in range(8)
        ]

    assert np.min(solidity("benign")) > 0.9
    assert np.median(solidity("malignant")) < 0.75


def test_nodules_of_both_kinds_are_as_dense():
    def level(label):
        drawn = [render("lung_ct", label, seed, 128) for seed in range(8)]
        return np.mean([image[ndimage.binary_erosion(mask[0], iterations=2)].mean() for image, mask in drawn])

    assert abs(level("benign") - level("malignant")) < 15


def test_melanomas_are_lopsided_and_no_other_colour_gives_them_away():
    """Turned by half a turn around its middle a naevus covers itself; colours are the same in sum."""

    def drawn(label):
        overlap, colours = [], []
        for seed in range(12):
            image, (mask,) = render("dermoscopy", label, seed, 96)
            y, x = np.argwhere(mask).mean(axis=0)
            turned = ndimage.shift(mask[::-1, ::-1].astype(float), (2 * y - 95, 2 * x - 95), order=1) > 0.5
            overlap.append((mask & turned).sum() / (mask | turned).sum())
            colours.append(image[ndimage.binary_erosion(mask, iterations=4)].astype(float).mean(axis=0))
        return np.array(overlap), np.array(colours)

    naevus, brown = drawn("naevus")
    melanoma, other = drawn("melanoma")
    _, third = drawn("keratosis")
    assert np.median(naevus) > 0.93
    assert np.median(melanoma) < 0.88
    for colours in (other, third):
        assert np.abs(np.median(colours - brown, axis=0)).max() < 20


@pytest.mark.parametrize("modality", NEW)
def test_bytes_are_pinned(modality):
    batch = open_dataset(f"phantoms:{modality}", count=6, size=64, seed=0).read()
    digest = hashlib.sha256(batch.images.tobytes() + np.packbits(batch.masks).tobytes()).hexdigest()
    assert digest[:16] == PINNED[modality]
