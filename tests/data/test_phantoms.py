"""Phantoms: the same bytes for a seed, masks that hold the tumour, and tumours that differ as in life."""

import numpy as np
import pytest

from xaijax.data import open_dataset, phantoms


@pytest.fixture(scope="module")
def batch():
    return open_dataset("phantoms", n=36, size=96, seed=3).read()


def test_reading_is_deterministic_and_independent_of_order():
    dataset = open_dataset("phantoms", n=6, size=64, seed=7)
    forward, backward = dataset.read(), dataset.read([5, 4, 3, 2, 1, 0])
    np.testing.assert_array_equal(forward.images, backward.images[::-1])
    np.testing.assert_array_equal(forward.masks, backward.masks[::-1])


def test_longer_dataset_begins_with_the_shorter_one():
    np.testing.assert_array_equal(
        open_dataset("phantoms", n=3, size=64).read().images,
        open_dataset("phantoms", n=9, size=64).read(range(3)).images,
    )


def test_seeds_differ():
    first, second = (open_dataset("phantoms", n=3, size=64, seed=seed).read().images for seed in (0, 1))
    assert (first != second).mean() > 0.3


@pytest.mark.parametrize("size", [16, 64, 97, 256])
def test_any_size_shows_the_same_anatomy(size):
    small = open_dataset("phantoms", n=6, size=size, seed=5).read(shape=(32, 32, 1))
    large = open_dataset("phantoms", n=6, size=320, seed=5).read(shape=(32, 32, 1))
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
    assert open_dataset("phantoms", n=31).class_counts() == {"glioma": 11, "meningioma": 10, "pituitary": 10}


def test_masks_are_one_part_of_the_head(batch):
    share = batch.masks.mean((1, 2))
    assert share.min() > 0.0008
    assert share.max() < 0.08
    border = np.ones((96, 96), bool)
    border[2:-2, 2:-2] = False
    assert not (batch.masks & border).any()


def test_unknown_modality_and_bad_numbers():
    with pytest.raises(ValueError, match=r"no phantoms of 'foot_xray'; known: brain_mri"):
        open_dataset("phantoms:foot_xray")
    with pytest.raises(ValueError, match=r"size of phantoms must be an integer from 16 to 2048; got 8"):
        open_dataset("phantoms", size=8)
    with pytest.raises(ValueError, match=r"phantoms have no option transpose"):
        open_dataset("phantoms", transpose=True)
    assert list(phantoms.MODALITIES) == ["brain_mri"]
