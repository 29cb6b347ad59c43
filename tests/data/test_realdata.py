"""The readers on real images; the folder is named by XAIJAX_DATA."""

import os
from pathlib import Path

import numpy as np
import pytest

from xaijax.data import open_dataset, split

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def root():
    folder = os.environ.get("XAIJAX_DATA")
    if not folder:
        pytest.skip("XAIJAX_DATA names no folder")
    return Path(folder)


@pytest.mark.parametrize(
    ("name", "role", "classes", "count"),
    [
        ("brain-cheng", "lesion", ("glioma", "meningioma", "pituitary"), 600),
        ("cxr-radiography", None, ("COVID", "Normal"), 420),
        ("ct-iqothnccd", None, ("benign", "malignant", "normal"), 276),
        ("pets-artifact", "artefact", ("cat", "dog"), 300),
    ],
)
def test_folders_open_split_and_read(root, name, role, classes, count):
    dataset = open_dataset(root / name, mask_role=role)
    assert dataset.classes == classes
    assert len(dataset) == count
    dataset.require_classes()
    train, validation = split(dataset, 0.2, seed=0)
    shares = np.bincount(dataset.labels[validation]) / np.bincount(dataset.labels)
    np.testing.assert_allclose(shares, 0.2, atol=0.04)
    groups = [{dataset.cases[at].group for at in side} - {None} for side in (train, validation)]
    assert not groups[0] & groups[1]
    batch = dataset.read(validation[:16], shape=(96, 96, 3))
    assert batch.images.shape == (16, 96, 96, 3)
    assert batch.skipped == ()
    assert batch.has_mask.all() == (role is not None)


def test_lung_ct_has_eleven_groups_of_duplicates(root):
    dataset = open_dataset(root / "ct-iqothnccd")
    keys = [case.source.fingerprint() for case in dataset.cases]
    _, counts = np.unique(keys, return_counts=True)
    assert (counts > 1).sum() == 11
    train, validation = split(dataset, 0.3, seed=1)
    assert not {keys[at] for at in train} & {keys[at] for at in validation}


def test_artefact_masks_are_refused_as_lesions(root):
    with pytest.raises(ValueError, match="outline the artefact"):
        open_dataset(root / "pets-artifact", mask_role="artefact").require_mask_role("lesion")
    with pytest.raises(ValueError, match="has masks of unknown role"):
        open_dataset(root / "brain-cheng").require_mask_role("lesion")


def test_brain_masks_lie_on_the_transposed_head(root):
    """Turned upright, a head is longer than wide in axial slices, and the masks move with it."""
    stored = open_dataset(root / "brain-cheng", mask_role="lesion").read(range(40))
    upright = open_dataset(root / "brain-cheng", mask_role="lesion", transpose=True).read(range(40))
    np.testing.assert_array_equal(upright.images, stored.images.transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(upright.masks, stored.masks.transpose(0, 2, 1))
    inside = np.array([image[mask].mean() for image, mask in zip(stored.images[..., 0], stored.masks, strict=True)])
    assert (inside > stored.images.mean((1, 2, 3))).all()


def test_imagenet_samples_keep_their_class_numbers(root):
    dataset = open_dataset(root / "imagenet-samples")
    assert dataset.classes[0] == "tench"
    assert dataset.labels[0] == 0
    assert all(int(case.extra["index"]) == case.label for case in dataset.cases)
