"""Exchanged lesions of the brain phantoms: the rest of the head stays bit for bit, and nothing but the lesion knows its
class."""

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from xaijax._errors import InputError
from xaijax.data import open_dataset, phantoms
from xaijax.data.phantoms import brain_mri
from xaijax.data.phantoms.brain_mri import anatomy, tumours

PINNED = "0650ee913dea70dc"


def fixed(count=9, size=96, seed=4):
    return phantoms.dataset(count=count, size=size, seed=seed, fixed_anatomy=True)


@pytest.mark.parametrize("size", [48, 128, 200])
def test_what_lies_outside_the_lesions_is_the_same_bit_for_bit(size):
    dataset = fixed(9, size)
    for head in range(3):
        drawn = phantoms.exchange(dataset, [head] * 9, range(9)).read()
        for one in range(9):
            for other in range(one):
                inside = drawn.masks[one] | drawn.masks[other]
                far = ndimage.distance_transform_edt(~inside) > max(1.5, brain_mri.SOFT * size)
                np.testing.assert_array_equal(drawn.images[one][far], drawn.images[other][far])
                assert far.mean() > 0.7
                assert (drawn.images[one] != drawn.images[other])[drawn.masks[one]].mean() > 0.5


def test_labels_follow_the_lesions():
    dataset = fixed(60, 48, 0)
    heads = np.random.default_rng(0).permutation(60)
    assert phantoms.exchange(dataset, heads, range(60)).labels.tolist() == dataset.labels.tolist()
    assert phantoms.exchange(dataset, [7] * 60, range(60)).labels.tolist() == dataset.labels.tolist()


def test_an_image_of_fixed_anatomy_is_its_own_head_with_its_own_lesion():
    dataset = fixed(6, 64)
    own = phantoms.exchange(dataset, range(6), range(6)).read()
    plain = dataset.read()
    np.testing.assert_array_equal(own.images, plain.images)
    np.testing.assert_array_equal(own.masks, plain.masks)
    # Exchanged ones can be exchanged again, and phantoms that displace tissue lend their seeds alone.
    again = phantoms.exchange(phantoms.exchange(dataset, [0, 1], [2, 3]), [0, 1], [1, 0])
    twice = phantoms.exchange(dataset, [0, 1], [3, 2])
    np.testing.assert_array_equal(again.read().images, twice.read().images)
    displaced = phantoms.dataset(count=6, size=64, seed=4)
    np.testing.assert_array_equal(phantoms.exchange(displaced, range(6), range(6)).read().images, plain.images)


def test_the_lesion_is_the_same_in_every_head_where_it_fits():
    """Area and grey levels of one lesion vary little over heads; those of different lesions of a class do."""
    dataset = fixed(30, 128, 1)
    meningiomas = [1, 4, 7, 10]
    area = np.array(
        [[mask.sum() for mask in phantoms.exchange(dataset, range(8), [one] * 8).read().masks] for one in meningiomas]
    )
    within = area.std(axis=1) / area.mean(axis=1)
    assert np.median(within) < 0.35
    assert area.mean(axis=1).std() > area.std(axis=1).mean()


def test_tumours_move_to_the_nearest_place_where_they_fit():
    rng = np.random.default_rng(3)
    far = []
    for _ in range(40):
        label = brain_mri.CLASSES[int(rng.integers(3))]
        home = anatomy.Head.draw("cistern" if label == "pituitary" else "horns", rng)
        tumour = tumours.draw(label, home, rng)
        assert tumours.moved(tumour, home) == tumour
        head = anatomy.Head.draw("vertex", rng)
        moved = tumours.moved(tumour, head)
        assert moved.fits(head, np.array([moved.x]), np.array([moved.y]))[0]
        assert (moved.radius, moved.waves) == (tumour.radius, tumour.waves)
        far.append(np.hypot(moved.x - tumour.x, moved.y - tumour.y))
    assert max(far) < 0.35
    assert min(far) == 0


def test_masks_are_never_empty_and_inside_the_head():
    batch = fixed(60, 32, 2).read()
    assert batch.masks.any(axis=(1, 2)).all()
    border = np.ones((32, 32), bool)
    border[1:-1, 1:-1] = False
    assert not (batch.masks & border).any()


def test_bytes_are_pinned():
    batch = fixed(6, 64, 0).read()
    digest = hashlib.sha256(batch.images.tobytes() + np.packbits(batch.masks).tobytes()).hexdigest()
    assert digest[:16] == PINNED


def test_what_cannot_be_exchanged_is_refused():
    with pytest.raises(InputError, match="fixed_anatomy is for brain_mri phantoms"):
        open_dataset("phantoms:lung_ct", fixed_anatomy=True)
    with pytest.raises(InputError, match="fixed_anatomy is an option of phantoms"):
        open_dataset(".", fixed_anatomy=True)
    with pytest.raises(InputError, match=r"lesions of data set 'phantoms-lung_ct' cannot be exchanged"):
        phantoms.exchange(phantoms.dataset("lung_ct", count=3), [0], [1])
    with pytest.raises(InputError, match="cannot be exchanged by the generator"):
        phantoms.exchange(open_dataset("phantoms", count=6, size=64, cues=["text"]), [0], [1])
    with pytest.raises(InputError, match="must be as many; got 1 and 2"):
        phantoms.exchange(fixed(3), [0], [1, 2])


def test_options_and_names_say_it():
    dataset = open_dataset("phantoms", count=3, size=32, fixed_anatomy=True)
    assert dataset.options["fixed_anatomy"] is True
    assert "fixed_anatomy" not in open_dataset("phantoms", count=3).options
    assert len({case.source.fingerprint() for case in phantoms.exchange(dataset, [0, 0, 1], [1, 2, 1]).cases}) == 3
