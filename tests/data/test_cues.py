"""Planted cues: exact masks, exact correlation, the same images for a seed, and the clean twin."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from xaijax.data import Case, Content, Dataset, Element, cover, cues, open_dataset, plant, split

CLASSES = ("glioma", "meningioma", "pituitary")
MARKS = ["ruler:glioma", "marker:glioma", "hairs:glioma", "dark_corners:glioma"]


class Plain:
    """Source of one grey level, for what does not depend on the image."""

    roles = ()

    def __init__(self, level=128, shape=(40, 50, 3)):
        self.level, self.shape = level, shape

    def read(self, *, masks):
        return Content(np.full(self.shape, self.level, np.uint8))

    def fingerprint(self):
        return str(self.level)


def plain(count, classes=2, **options):
    names = tuple("abcdef"[:classes])
    cases = tuple(Case(f"case {at}", at % classes, Plain(**options)) for at in range(count))
    return Dataset("plain", names, None, cases)


@pytest.fixture(scope="module")
def clean():
    return open_dataset("phantoms", count=9, size=96, seed=4)


@pytest.mark.parametrize("cue", ["text", *MARKS])
def test_the_picture_differs_from_its_clean_twin_inside_the_mask_alone(clean, cue):
    planted = plant(clean, [cue], correlation=1.0)
    with_cue, without = planted.read(), clean.read()
    changed = (with_cue.images != without.images).any(axis=-1)
    masks = with_cue.roles["artefact"]
    assert not (changed & ~masks).any()
    shown = with_cue.has_role["artefact"]
    assert shown.tolist() == [cue == "text" or label == 0 for label in without.labels]
    assert masks[shown].any((1, 2)).all()
    assert not masks[~shown].any()
    np.testing.assert_array_equal(with_cue.masks, without.masks)
    kind = cue.partition(":")[0]
    for row in np.flatnonzero(shown):
        assert [(one.name, one.role) for one in with_cue.elements[row]] == [("lesion", "lesion"), (kind, "artefact")]
        np.testing.assert_array_equal(with_cue.elements[row][1].mask, masks[row])
        # A cue is seen: on a grey that it cannot share, what lies inside the mask differs (letters on a box too).
        if kind in ("text", "ruler", "marker"):
            assert changed[row][masks[row]].mean() > 0.9


@pytest.mark.parametrize("kind", list(cues.CUES))
@pytest.mark.parametrize("shape", [(64, 64, 3), (90, 150, 1), (20, 16, 3)])
def test_masks_hold_every_changed_pixel_on_an_even_picture(kind, shape):
    data = plain(4, level=128, shape=shape)
    name = kind if kind == "text" else f"{kind}:a"
    planted = plant(data, [name], correlation=1.0).read()
    changed = (planted.images != 128).any(axis=-1)
    masks = planted.roles["artefact"]
    assert not (changed & ~masks).any()
    assert changed.any((1, 2)).tolist() == [kind == "text" or label == 0 for label in planted.labels]
    if kind in ("ruler", "hairs", "dark_corners"):  # no shade of theirs is so near to the image's that it rounds away
        assert (changed | ~masks).mean() > 0.99


@pytest.mark.parametrize("kind", list(cues.CUES))
def test_grey_pictures_stay_grey(kind):
    name = kind if kind == "text" else f"{kind}:a"
    images = plant(plain(2, level=128), [name], correlation=1.0).read().images
    assert (images == images[..., :1]).all()
    assert (images[0] != 128).any()


def test_cues_keep_off_lesions_and_each_other(clean):
    batch = plant(clean, ["text", "ruler:glioma", "marker:glioma"], correlation=1.0).read()
    assert not (batch.roles["artefact"] & batch.roles["lesion"]).any()
    for elements in batch.elements:
        total = np.sum([one.mask for one in elements], axis=0)
        assert total.max() == 1


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.95, 1.0, 2 / 3])
def test_the_correlation_is_exact(correlation):
    data = plain(360, classes=3)
    planted = plant(data, ["text", "ruler:b"], correlation=correlation, seed=3)
    for label, own in enumerate(data.classes):
        cases = [case for case in planted.cases if case.label == label]
        for cue in ("text", "ruler"):
            lies = np.cumsum([case.extra[f"{cue} agrees"] == "no" for case in cases])
            expected = (1 - correlation) * np.arange(1, 121)
            assert np.abs(lies - expected).max() < 1
            assert lies[-1] == round(120 * (1 - correlation))
        words = Counter(case.extra["text"] for case in cases)
        assert words[own] == round(120 * correlation)
        others = [words[name] for name in data.classes if name != own]
        assert max(others) - min(others) <= 1
        for case in cases:
            assert (case.extra["text"] == own) == (case.extra["text agrees"] == "yes")
            shown = case.extra["ruler"] == "shown"
            assert (shown == (own == "b")) == (case.extra["ruler agrees"] == "yes")
            assert [one.kind for one in case.source.shown] == ["text"] + ["ruler"] * shown


def test_a_longer_data_set_begins_with_the_shorter_one():
    short, long = (
        plant(open_dataset("phantoms", count=n, size=64), ["text", "hairs:glioma"], correlation=0.6) for n in (6, 30)
    )
    for one, other in zip(short.cases, long.cases, strict=False):
        assert one.extra == other.extra
    first, second = short.read(), long.read(range(6))
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.roles["artefact"], second.roles["artefact"])


def test_the_same_seed_gives_the_same_pictures_in_any_order(clean):
    planted = plant(clean, ["text", "ruler:glioma"], seed=5)
    forward, backward = planted.read(), plant(clean, ["text", "ruler:glioma"], seed=5).read(range(8, -1, -1))
    np.testing.assert_array_equal(forward.images, backward.images[::-1])
    np.testing.assert_array_equal(planted.read(masks=False).images, forward.images)
    other = plant(clean, ["text", "ruler:glioma"], seed=6).read()
    assert (forward.images != other.images).any()


def test_covering_gives_the_clean_pixels_back(clean):
    planted = plant(plant(clean, ["text"]), ["ruler:glioma"])
    covered = cover(planted)
    batch, wanted = covered.read(), clean.read()
    np.testing.assert_array_equal(batch.images, wanted.images)
    assert batch.ids == wanted.ids
    assert covered.roles == ("lesion",)
    assert covered.options["covered"]
    with pytest.raises(ValueError, match="data set 'phantoms-brain_mri' has nothing to cover"):
        cover(clean)


def test_covering_fills_artefacts_of_which_only_the_mask_is_known():
    class Stained(Plain):
        roles = ("artefact", "lesion")

        def read(self, *, masks):
            y, x = np.mgrid[:32, :48]
            image = np.repeat((2 * x + 3 * y)[..., None], 3, axis=2).astype(np.uint8)
            mask = np.zeros((32, 48), bool)
            mask[10:20, 12:30] = mask[:4, :6] = True
            image[mask] = 255
            lesion = np.zeros((32, 48), bool)
            return Content(image, (Element("", "artefact", mask), Element("", "lesion", lesion)) if masks else ())

    data = Dataset("stained", ("a",), "artefact", (Case("one", 0, Stained()),))
    covered = cover(data)
    assert covered.mask_role == "lesion"
    batch = covered.read()
    y, x = np.mgrid[:32, :48]
    plane = 2 * x + 3 * y  # which linear interpolation reproduces
    inside = np.s_[10:20, 12:30]
    np.testing.assert_array_equal(batch.images[0][inside][..., 0], plane[inside])
    assert np.abs(batch.images[0, ..., 0].astype(int) - plane).max() < 20  # the corner has the nearest pixel's value
    assert [one.role for one in batch.elements[0]] == ["lesion"]


def test_clean_files_cover_the_others(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "a_clean", "mask"):
        pixels = rng.integers(0, 256, (20, 20), np.uint8)
        Image.fromarray(pixels if name != "mask" else np.where(pixels > 128, 255, 0).astype(np.uint8)).save(
            tmp_path / f"{name}.png"
        )
    (tmp_path / "labels.csv").write_text(
        "file,label,mask,mask_role,file_clean\na.png,a,mask.png,artefact,a_clean.png\nb.png,b,,artefact,\n"
    )
    covered = open_dataset(tmp_path, covered=True)
    batch = covered.read()
    np.testing.assert_array_equal(batch.images[0, ..., 0], np.asarray(Image.open(tmp_path / "a_clean.png")))
    np.testing.assert_array_equal(batch.images[1, ..., 0], np.asarray(Image.open(tmp_path / "b.png")))
    assert covered.mask_role is None
    assert not batch.has_mask.any()


def test_cues_on_a_folder(tmp_path):
    for label, level in (("cat", 60), ("dog", 190)):
        (tmp_path / label).mkdir()
        for number in range(10):
            Image.fromarray(np.full((48, 64, 3), level + number, np.uint8)).save(tmp_path / label / f"{number}.png")
    dataset = open_dataset(tmp_path, cues=["dark_corners:dog", "text", "text"], correlation=0.8, seed=2)
    assert dataset.mask_role == "artefact"
    assert dataset.options["cues"] == ["dark_corners:dog", "text", "text"]
    assert dataset.class_counts() == {"cat": 10, "dog": 10}
    batch = dataset.read()
    assert {one.name for elements in batch.elements for one in elements} == {"text 1", "text 2", "dark_corners"}
    assert all(len(elements) >= 2 for elements in batch.elements)
    # The box of the first class is white, that of the last one black.
    for case, image, elements in zip(dataset.cases, batch.images, batch.elements, strict=True):
        for one in elements[-2:]:
            ink = np.median(image[one.mask])
            assert ink == (255 if case.extra[one.name] == "cat" else 0)


def test_pictures_of_one_clean_picture_stay_together():
    cases = tuple(Case(str(at), at % 2, Plain(level=at // 2 * 2 + at % 2)) for at in range(40))
    twins = tuple(Case(f"{case.id} again", case.label, case.source) for case in cases)
    planted = plant(Dataset("twins", ("a", "b"), None, cases + twins), ["text"])
    _, validation = split(planted, 0.25, seed=0)
    names = {planted.cases[index].id.removesuffix(" again") for index in validation}
    assert len(validation) == 2 * len(names)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([], "no cue was given; choose from text, ruler, marker, hairs, dark_corners"),
        (["txt"], r"unknown cue 'txt': did you mean text\?"),
        ("text", r"cues must be a list of names, as in \['text'\]"),
        (["text:glioma"], "the cue text names every class; leave out ':glioma'"),
        (["ruler"], "the cue ruler needs the class that it marks; write ruler:glioma or ruler:meningioma or"),
        (["ruler:cat"], "has no images of class 'cat' for the cue ruler: choose from glioma, meningioma, pituitary"),
    ],
)
def test_bad_cues_in_one_sentence(clean, wanted, message):
    with pytest.raises(ValueError, match=message):
        plant(clean, wanted)


def test_cues_in_any_spelling_are_the_same(clean):
    wanted, found = plant(clean, ["dark_corners:glioma", "text"]), plant(clean, ["Dark Corners:Glioma", "TEXT"])
    assert (found.name, found.options) == (wanted.name, wanted.options)
    assert [case.extra for case in found.cases] == [case.extra for case in wanted.cases]
    np.testing.assert_array_equal(found.read().images, wanted.read().images)


def test_bad_numbers_in_one_sentence(clean):
    with pytest.raises(ValueError, match=r"correlation must lie in \[0, 1\]; got 1.5"):
        plant(clean, ["text"], correlation=1.5)
    with pytest.raises(ValueError, match="seed must be a whole number, 0 or more; got -1"):
        plant(clean, ["text"], seed=-1)
    with pytest.raises(ValueError, match="planted cues need images of at least two classes; data set 'plain' has one"):
        plant(plain(3, classes=1), ["text"])
    with pytest.raises(ValueError, match="a correlation needs planted cues; name them with --cues"):
        open_dataset("phantoms", correlation=0.5)


def test_a_column_named_like_a_cue_is_not_overwritten(clean):
    once = plant(clean, ["text"])
    with pytest.raises(ValueError, match=r"already has a column 'text', .* rename that column"):
        plant(once, ["text"])
    twice = plant(once, [f"ruler:{clean.classes[0]}"])
    assert {"text", "text agrees", "ruler", "ruler agrees"} <= twice.cases[0].extra.keys()
