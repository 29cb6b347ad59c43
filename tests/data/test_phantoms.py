"""Phantoms: the same bytes for a seed, masks that hold the tumour, and tumours that differ as in life."""

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from xaijax.data import open_dataset, phantoms


@pytest.fixture(scope="module")
def batch():
    return open_dataset("phantoms", count=36, size=96, seed=3).read()


def test_reading_is_deterministic_and_independent_of_order():
    dataset = open_dataset("phantoms", count=6, size=64, seed=7)
    forward, backward = dataset.read(), dataset.read([5, 4, 3, 2, 1, 0])
    np.testing.assert_array_equal(forward.images, backward.images[::-1])
    np.testing.assert_array_equal(forward.masks, backward.masks[::-1])


def test_longer_dataset_begins_with_the_shorter_one():
    np.testing.assert_array_equal(
        open_dataset("phantoms", count=3, size=64).read().images,
        open_dataset("phantoms", count=9, size=64).read(range(3)).images,
    )


def test_seeds_differ():
    first, second = (open_dataset("phantoms", count=3, size=64, seed=seed).read().images for seed in (0, 1))
    assert (first != second).mean() > 0.3


@pytest.mark.parametrize("size", [16, 64, 97, 256])
def test_any_size_shows_the_same_anatomy(size):
    small = open_dataset("phantoms", count=6, size=size, seed=5).read(shape=(32, 32, 1))
    large = open_dataset("phantoms", count=6, size=320, seed=5).read(shape=(32, 32, 1))
    for one, other in zip(small.images, large.images, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > (0.75 if size < 32 else 0.97)


def test_shapes_and_types(batch):
    assert batch.images.shape == (36, 96, 96, 1)
    assert batch.images.dtype == np.uint8
    assert batch.masks.shape == (36, 96, 96)
    assert batch.masks.dtype == bool
    assert batch.labels.dtype == np.int32
    assert batch.has_mask.all()
    assert batch.skipped == ()


def test_classes_are_balanced(batch):
    assert np.bincount(batch.labels).tolist() == [12, 12, 12]
    assert open_dataset("phantoms", count=31).class_counts() == {"glioma": 11, "meningioma": 10, "pituitary": 10}


def test_masks_are_one_part_of_the_head(batch):
    share = batch.masks.mean((1, 2))
    assert share.min() > 0.0008
    assert share.max() < 0.08
    border = np.ones((96, 96), bool)
    border[2:-2, 2:-2] = False
    assert not (batch.masks & border).any()


def test_unknown_modality_and_bad_numbers():
    with pytest.raises(ValueError, match=r"unknown phantom 'foot_xray': did you mean chest_xray\?"):
        open_dataset("phantoms:foot_xray")
    with pytest.raises(ValueError, match=r"size of phantoms must be an integer from 16 to 2048; got 8"):
        open_dataset("phantoms", size=8)
    with pytest.raises(ValueError, match=r"phantoms have no option transpose"):
        open_dataset("phantoms", transpose=True)
    assert list(phantoms.MODALITIES) == ["brain_mri", "chest_xray", "lung_ct", "dermoscopy"]


def test_modalities_in_any_spelling_have_the_same_images_and_ids():
    for name, spelled in (("brain_mri", "Brain MRI"), ("chest_xray", "chest-xray"), ("lung_ct", "LungCT")):
        wanted, found = (open_dataset(f"phantoms:{one}", count=3, size=32, seed=1) for one in (name, spelled))
        assert [case.id for case in found.cases] == [f"{name}-1-{index:05d}" for index in range(3)]
        assert (found.name, found.options) == (wanted.name, wanted.options)
        np.testing.assert_array_equal(found.read().images, wanted.read().images)


def rings(image, mask, steps):
    """Median grey level in bands around the mask's edge; negative steps lie inside, in pixels."""
    distance = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
    return [np.median(image[(distance > low) & (distance <= high)]) for low, high in steps]


@pytest.fixture(scope="module")
def large():
    return open_dataset("phantoms", count=60, size=192, seed=8).read()


def of_class(batch, label):
    pick = batch.labels == label
    return batch.images[pick, ..., 0].astype(float), batch.masks[pick]


def test_gliomas_have_a_bright_ring_and_a_dark_core(large):
    ratios = []
    for image, mask in zip(*of_class(large, 0), strict=True):
        depth = ndimage.distance_transform_edt(mask)
        ring = image[mask & (depth <= 0.4 * depth.max())].mean()
        core = image[depth > 0.75 * depth.max()].mean()
        ratios.append(ring / core)
    assert np.quantile(ratios, 0.1) > 1.2  # strands nearly fill a small core now and then
    assert np.median(ratios) > 1.6


def test_gliomas_are_surrounded_by_oedema(large):
    """Close to the tumour the brain is darker than further away, in most cases (ventricles and skull interfere)."""
    darker = 0
    for image, mask in zip(*of_class(large, 0), strict=True):
        near, far = rings(image, mask, [(2, 6), (18, 26)])
        darker += near < far
    assert darker >= 15


def test_meningiomas_are_bright_even_and_beside_bone_or_falx(large):
    for image, mask in zip(*of_class(large, 1), strict=True):
        inner = ndimage.binary_erosion(mask, iterations=2)
        assert image[inner].std() < 0.10 * image[inner].mean()
        around = ndimage.binary_dilation(mask, iterations=9) & ~ndimage.binary_dilation(mask, iterations=3)
        assert image[inner].mean() > 1.2 * np.median(image[around])


def test_only_gliomas_are_irregular(large):
    """Circularity 4πA/P² of the outline is highest for a disk."""
    from skimage.measure import regionprops

    def roundness(label):
        parts = [regionprops(mask.astype(np.uint8))[0] for mask in of_class(large, label)[1]]
        return np.array([4 * np.pi * part.area / part.perimeter**2 for part in parts])

    assert np.median(roundness(0)) < 0.9 * np.median(roundness(1))
    assert np.median(roundness(1)) > 0.85


def test_pituitary_tumours_are_small_and_central(large):
    masks = of_class(large, 2)[1]
    for mask in masks:
        y, x = ndimage.center_of_mass(mask)
        assert abs(x / 192 - 0.5) < 0.08
        assert 0.3 < y / 192 < 0.55
    assert np.median(masks.sum((1, 2))) < 0.6 * np.median(of_class(large, 0)[1].sum((1, 2)))


def test_air_is_dark_and_noise_is_everywhere(large):
    corners = large.images[:, :12, :12, 0]
    assert corners.mean() < 12
    assert (corners.std((1, 2)) > 0).all()


def test_masks_are_one_piece(large):
    assert all(ndimage.label(mask)[1] == 1 for mask in large.masks)


def test_tiny_pictures_have_a_mask():
    assert open_dataset("phantoms", count=60, size=16, seed=2).read().masks.any((1, 2)).all()


def test_bytes_are_pinned():
    """The built-in model was trained on these images: a change of a bit here calls for new weights."""
    batch = open_dataset("phantoms", count=12, size=64, seed=0).read()
    digest = hashlib.sha256(batch.images.tobytes() + np.packbits(batch.masks).tobytes()).hexdigest()
    assert digest[:16] == "3da281998a292163"
