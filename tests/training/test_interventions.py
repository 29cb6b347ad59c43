"""Interventions: exact shares, exact targets, images as their kind says, drawn from seed, epoch and step."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from xaijax import models, train
from xaijax._errors import InputError
from xaijax.data import phantoms
from xaijax.training import Augmentation, Interventions, Options
from xaijax.training._evidence import KINDS, lesion_alone, pasted, without_evidence
from xaijax.training._interventions import NO_CLASS, Changed
from xaijax.training._step import _loss_or_uniform
from xaijax.training._train import run_epochs
from xaijax.training._trainer import Trainer

SIDE = 64
SOFT = round(3 / 128 * SIDE)


@pytest.fixture(scope="module")
def material():
    """Images, labels and lesion masks: textured backgrounds, each with a square whose grey level is its class."""
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = random.integers(40, 120, (40, SIDE, SIDE, 1)).astype(np.uint8)
    masks = np.zeros((40, SIDE, SIDE), bool)
    for label, image, mask in zip(labels, images, masks, strict=True):
        row, column = random.integers(8, SIDE - 20, 2)
        mask[row : row + 9, column : column + 9] = True
        image[mask] = (200, 240)[label]
    return images, labels, masks


def changed(material, augmentation=None, exchange=None, **shares):
    images, labels, masks = material
    has_mask = masks.any(axis=(1, 2))
    return Changed(Interventions(**shares), images, labels, masks, has_mask, augmentation, exchange)


def draw(made, positions=range(20), seed=0):
    return made.batch(np.array(positions), np.random.default_rng(seed), jax.random.key(seed))


def test_shares_and_labels_are_exact(material):
    images, labels, _ = material
    made = changed(material, counterfactual=0.3, evidence_free=0.2, lesion_alone=0.1)
    for seed in range(5):
        positions = np.random.default_rng(seed).permutation(40)[:20]
        found, target, done = draw(made, positions, seed)
        assert found.shape == (20, SIDE, SIDE, 1)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found[:8], images[positions[:8]])
        np.testing.assert_array_equal(target[:14], labels[positions[:14]])
        np.testing.assert_array_equal(target[14:18], [NO_CLASS] * 4)
        np.testing.assert_array_equal(target[18:], labels[positions[18:]])
        np.testing.assert_array_equal(done, [False] * 14 + [True] * 6)


def test_hidden_pixels_are_black_and_nothing_else_changes(material):
    images, labels, _ = material
    found, target, done = draw(changed(material, hidden_pixels=0.25, evidence_free=0.2), range(20))
    np.testing.assert_array_equal(target[:16], labels[:16])
    gone = found[:16] != images[:16]  # no pixel of these images is black by itself
    assert (found[:16][gone] == 0).all()
    # 16 x 64 x 64 pixels, each with chance 1/4.
    assert abs(gone.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / gone.size)
    assert done.all()
    again, _, _ = draw(changed(material, hidden_pixels=0.25), range(20), seed=1)
    assert (again != draw(changed(material, hidden_pixels=0.25), range(20), seed=2)[0]).any()


def test_images_with_hidden_pixels_are_augmented_before(material):
    augmentation = Augmentation(flip="none", shift=0.0, rotation=20.0, zoom=0.0, brightness=0.0, contrast=0.0)
    plain, _, _ = draw(changed(material, augmentation, hidden_pixels=1e-9), range(20))
    found, _, _ = draw(changed(material, augmentation, hidden_pixels=0.3), range(20))
    assert ((found == plain) | (found == 0)).all()
    assert 0.25 < (found != plain).mean() < 0.35


def test_counterfactuals_are_the_lesion_on_the_next_background_without_its_own(material):
    images, labels, masks = material
    found, target, _ = draw(changed(material, counterfactual=0.2), range(20))
    lesions = [16, 17, 18, 19]
    for image, label, lesion, behind in zip(found[16:], target[16:], lesions, [17, 18, 19, 16], strict=True):
        near = ndimage.binary_dilation(masks[lesion], iterations=SOFT)
        gone = ndimage.binary_dilation(masks[behind], iterations=SOFT)
        assert label == labels[lesion]
        np.testing.assert_array_equal(image[near], images[lesion][near])
        np.testing.assert_array_equal(image[~near & ~gone], images[behind][~near & ~gone])
        assert not np.isin(image[gone & ~near], (200, 240)).any()


def test_two_counterfactuals_are_a_pair_that_swaps(material):
    images, _, masks = material
    found, _, _ = draw(changed(material, counterfactual=0.1), range(20))
    for at, lesion, behind in ((18, 18, 19), (19, 19, 18)):
        outside = ~ndimage.binary_dilation(masks[lesion] | masks[behind], iterations=SOFT)
        np.testing.assert_array_equal(found[at][masks[lesion]], images[lesion][masks[lesion]])
        np.testing.assert_array_equal(found[at][outside], images[behind][outside])


def test_images_that_were_generated_are_exchanged_by_their_generator(material):
    asked = []

    def exchange(heads, lesions):
        asked.append((heads.tolist(), lesions.tolist()))
        return np.full((len(heads), SIDE, SIDE, 1), 7, np.uint8)

    found, _, _ = draw(changed(material, exchange=exchange, counterfactual=0.15), range(20))
    assert asked == [([18, 19, 17], [17, 18, 19])]
    assert (found[17:] == 7).all()


@pytest.mark.parametrize("kind", KINDS)
def test_images_without_evidence_are_what_their_kind_says(material, kind):
    images, _, masks = material
    image, mask = images[3], masks[3]
    for seed in range(6):
        found = without_evidence(image, mask, kind, np.random.default_rng(seed))
        assert found.shape == image.shape
        assert found.dtype == image.dtype
        same = (found == image)[..., 0]
        mean = np.rint(image.mean())
        if kind == "black":
            assert (found == 0).all()
        if kind == "mean":
            assert (found == mean).all()
        if kind == "blurred":
            assert found[mask].max() < 190
            assert found.std() < 0.5 * image.std()
        if kind == "linear":
            assert 0.003 < same.mean() < 0.08
        if kind == "scattered":
            rest = np.unique(found[~same])
            assert rest.tolist() in ([0], [mean])
            assert 0.003 < same.mean() < 0.13
        if kind == "removed":
            gone = ndimage.binary_dilation(mask, iterations=SOFT)
            assert same[~gone].all()
            assert found[gone].max() <= image[~gone].max()
        if kind == "covered":
            assert not same[mask].any()
            assert same[~ndimage.binary_dilation(mask, iterations=SOFT)].all()


def test_amounts_can_be_given_and_are_exact(material):
    images, _, _ = material
    rng = np.random.default_rng(0)
    found = without_evidence(images[0], None, "scattered", rng, amount=0.05)
    known = int(0.05 * SIDE * SIDE)
    values, counts = np.unique(found, return_counts=True)
    assert known <= SIDE * SIDE - counts[np.isin(values, (0, np.rint(images[0].mean())))].max() + 10
    blurred = without_evidence(images[0], None, "blurred", rng, amount=0.1)
    wanted = ndimage.gaussian_filter(images[0][..., 0].astype(float), 0.1 * SIDE, mode="reflect", truncate=4)
    assert np.abs(blurred[..., 0] - wanted).max() <= 1


def test_a_lesion_alone_keeps_its_pixels_and_nothing_else(material):
    images, _, masks = material
    for seed in range(20):
        found = lesion_alone(images[5], masks[5], np.random.default_rng(seed))
        np.testing.assert_array_equal(found[masks[5]], images[5][masks[5]])
        outside = ~ndimage.binary_dilation(masks[5], iterations=SOFT)
        assert (found[outside] == images[5][outside]).mean() < 0.15


def test_kinds_take_turns(material):
    made = changed(material, evidence_free=0.3, kinds=("black", "mean"))
    found, _, _ = draw(made, range(20))
    black = (found[14:] == 0).all(axis=(1, 2, 3))
    assert black.tolist() in ([True, False] * 3, [False, True] * 3)
    twice = changed(material, evidence_free=0.3, kinds=("black", "mean", "black"))
    assert (draw(twice, range(20))[0][14:] == 0).all(axis=(1, 2, 3)).sum() == 4


def test_images_without_a_mask_make_way_and_shares_stay_exact(material):
    """A class without lesions lends backgrounds and keeps its label; an image whose mask is missing takes no part."""
    images, labels, masks = material
    some = masks.copy()
    some[2::4] = False  # class 0: half of its masks are missing
    made = Changed(
        Interventions(counterfactual=0.25, lesion_alone=0.25), images, labels, some, some.any(axis=(1, 2)), None
    )
    assert 2 not in made.usable
    _, target, _ = draw(made, [2, 6, 10, 14, 18, 22, 26, 30])
    assert (target >= 0).all()
    none = masks.copy()
    none[labels == 0] = False
    made = Changed(Interventions(counterfactual=0.5), images, labels, none, none.any(axis=(1, 2)), None)
    assert set(made.usable) == set(range(40))
    found, target, _ = draw(made, [1, 3, 5, 7, 0, 9, 11, 13])
    assert target.tolist() == labels[[1, 3, 5, 7, 0, 9, 11, 13]].tolist()
    gone = ndimage.binary_dilation(none[9], iterations=SOFT)
    np.testing.assert_array_equal(found[4][~gone], images[9][~gone])  # no lesion goes to the background of image 9
    assert not (found[4] == 240).any()


def test_changed_images_are_augmented_before_the_change(material):
    """The kinds of images stay as they are: scattered pixels stay single, and masks move with their images."""
    strong = Augmentation("horizontal", 0.1, 20.0, 0.1, 0.0, 0.0)
    made = changed(material, strong, evidence_free=0.5, kinds=("covered",))
    found, _, done = draw(made, range(20))
    assert done.sum() == 10
    assert (found[10:] < 195).all(axis=(1, 2, 3)).mean() > 0.8  # bright lesions are covered where they went
    images = jnp.asarray(material[0][:4], jnp.float32) / 255
    moved, masks = strong.with_masks(images, jnp.asarray(material[2][:4]), jax.random.key(3))
    np.testing.assert_array_equal(moved, strong(images, jax.random.key(3)))
    assert (np.asarray(moved)[np.asarray(masks)] > 0.6).mean() > 0.95


def test_the_loss_has_the_uniform_distribution_as_target():
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.normal(size=(5, 3)), jnp.float32)
    labels, weights = jnp.array([0, NO_CLASS, 2, NO_CLASS, 1]), jnp.array([0.5, 1.0, 2.0])
    chances = np.log(np.asarray(jax.nn.softmax(logits), np.float64))
    each = [
        -0.5 * chances[0, 0],
        -chances[1].mean(),
        -2.0 * chances[2, 2],
        -chances[3].mean(),
        -chances[4, 1],
    ]
    assert float(_loss_or_uniform("softmax", logits, labels, weights)) == pytest.approx(np.mean(each), rel=1e-6)
    one = logits[:, :1]
    both = jnp.concatenate([jnp.zeros_like(one), one], 1)
    labels = jnp.array([0, NO_CLASS, 1, NO_CLASS, 1])
    assert float(_loss_or_uniform("binary", one, labels, weights[:2])) == pytest.approx(
        float(_loss_or_uniform("softmax", both, labels, weights[:2]))
    )
    gradient = jax.grad(lambda x: _loss_or_uniform("softmax", x, jnp.array([NO_CLASS]), weights))(jnp.zeros((1, 3)))
    np.testing.assert_allclose(gradient, 0, atol=1e-7)


def options(**shares):
    return Options(epochs=2, batch_size=10, learning_rate=5e-3, interventions=Interventions(**shares), seed=3)


def trained(material, epochs=(1, 2), state=None, **shares):
    images, labels, masks = material
    start = models.create("small_cnn", 2, (SIDE, SIDE, 1), width=2, key=0)
    trainer = Trainer(start, images, labels, options(**shares), masks=masks)
    if state is not None:
        trainer.state = state
    for epoch in epochs:
        losses = list(trainer.epoch(epoch))
    return trainer, losses


def test_same_seed_same_training_and_an_interrupted_one_ends_the_same(material):
    shares = {"counterfactual": 0.2, "evidence_free": 0.2, "lesion_alone": 0.2}
    whole, losses = trained(material, **shares)
    again, _ = trained(material, **shares)
    first, _ = trained(material, (1,), **shares)
    rest, last = trained(material, (2,), first.state, **shares)
    assert losses == last
    for other in (again, rest):
        for one, same in zip(jax.tree.leaves(whole.state), jax.tree.leaves(other.state), strict=True):
            np.testing.assert_array_equal(one, same)
    plain, _ = trained(material)
    assert any(
        not np.array_equal(one, other)
        for one, other in zip(jax.tree.leaves(whole.state[0]), jax.tree.leaves(plain.state[0]), strict=True)
    )


def test_a_network_learns_what_the_interventions_say():
    """The background gives the class away in all images; the lesion decides in exchanged ones."""
    random = np.random.default_rng(1)
    labels = np.arange(60) % 2
    images = np.zeros((60, 32, 32, 1), np.uint8)
    masks = np.zeros((60, 32, 32), bool)
    for label, image, mask in zip(labels, images, masks, strict=True):
        image[...] = (60, 100)[label] + random.integers(0, 10, image.shape)
        row, column = random.integers(4, 20, 2)
        mask[row : row + 8, column : column + 8] = True
        image[mask] = (20, 200)[label]
    start = models.create("small_cnn", 2, (32, 32, 1), width=4, key=0)
    shares = Interventions(counterfactual=0.35, evidence_free=0.35, kinds=("removed", "black"))
    how = Options(epochs=20, batch_size=20, learning_rate=1e-2, interventions=shares, augmentation=None, patience=20)
    trainer = Trainer(start, images, labels, how, masks=masks)
    best = []
    run_epochs(trainer, images, labels, on_best=lambda classifier, record: best.append(classifier))
    last = trainer.trained(20)
    swapped = np.stack([pasted(images[i], masks[i], images[i - 1], masks[i - 1]) for i in range(60)])
    assert (np.asarray(last.predict(swapped)).argmax(1) == labels).mean() > 0.9
    removed = np.stack(
        [without_evidence(image, mask, "removed", random) for image, mask in zip(images, masks, strict=True)]
    )
    assert np.asarray(last.predict(removed)).max(axis=1).mean() < 0.75
    assert best


def test_options_that_cannot_be_are_refused(material):
    images, labels, masks = material
    with pytest.raises(InputError, match=r"counterfactual is 1\.0; it must be a number from 0 to below 1"):
        Interventions(counterfactual=1.0)
    with pytest.raises(InputError, match=r"are 1\.2 together; it must be below 1"):
        Interventions(counterfactual=0.6, evidence_free=0.6)
    with pytest.raises(InputError, match="kinds is empty"):
        Interventions(evidence_free=0.2, kinds=())
    with pytest.raises(InputError, match=r"which is 1 of the 10 images of a batch; it must be at least 2"):
        Interventions(counterfactual=0.1).counts(10)
    with pytest.raises(InputError, match=r"which is 0 of the 10 images"):
        Interventions(evidence_free=0.01).counts(10)
    with pytest.raises(InputError, match="no image of a batch of 2 stays"):
        Interventions(counterfactual=0.9).counts(2)
    start = models.create("small_cnn", 2, (SIDE, SIDE, 1), width=2)
    how = options(counterfactual=0.2)
    with pytest.raises(InputError, match="need lesion masks, and no training image has one"):
        Trainer(start, images, labels, how)
    with pytest.raises(InputError, match="need lesion masks, and no training image has one"):
        Trainer(start, images, labels, how, masks=np.zeros_like(masks))
    Trainer(start, images, labels, options(evidence_free=0.2, kinds=("black", "linear")))  # needs no masks
    several = models.create("small_cnn", 2, (SIDE, SIDE, 1), width=2, output="sigmoid")
    with pytest.raises(InputError, match="these have several findings"):
        Trainer(several, images, np.eye(2)[labels], how, masks=masks)


def test_the_command_trains_with_exchanged_phantoms_and_resumes(tmp_path, console, monkeypatch):
    asked = []
    exchange = phantoms.exchange

    def counted(dataset, heads, lesions):
        asked.append(len(heads))
        return exchange(dataset, heads, lesions)

    monkeypatch.setattr(phantoms, "exchange", counted)
    shares = Interventions(counterfactual=0.25, evidence_free=0.25, lesion_alone=0.125)
    given = {"data": "phantoms", "count": 30, "size": 32, "batch_size": 8, "interventions": shares}
    config = train.TrainConfig(**given, epochs=2, out=tmp_path / "run")
    train.run(config, console=console)
    assert set(asked) == {2}
    described = (tmp_path / "run" / "run.json").read_text()
    assert '"counterfactual": 0.25' in described
    assert "--interventions.counterfactual 0.25" in described


def test_the_command_pastes_the_lesions_of_other_data_and_needs_masks(tmp_path, console, folder):
    shares = Interventions(counterfactual=0.25)
    lungs = {"data": "phantoms:lung_ct", "count": 24, "size": 32, "batch_size": 8, "epochs": 1}
    train.run(train.TrainConfig(**lungs, out=tmp_path / "lungs", interventions=shares), console=console)
    assert (tmp_path / "lungs" / "model.safetensors").is_file()
    spots = {"data": str(folder), "size": 32, "batch_size": 8, "epochs": 1}
    with pytest.raises(InputError, match="has no lesion masks"):
        train.run(train.TrainConfig(**spots, out=tmp_path / "spots", interventions=shares), console=console)
    free = Interventions(evidence_free=0.25, kinds=("black", "blurred"))
    train.run(train.TrainConfig(**spots, out=tmp_path / "spots", interventions=free), console=console)


def test_every_pair_of_kinds_and_masks_is_drawn_the_same_for_floats(material):
    images, _, masks = material
    for kind, seed in itertools.product(KINDS, range(2)):
        whole = without_evidence(images[1], masks[1], kind, np.random.default_rng(seed))
        share = without_evidence(images[1].astype(np.float32) / 255, masks[1], kind, np.random.default_rng(seed))
        assert share.dtype == np.float32
        np.testing.assert_allclose(share, whole / 255, atol=0.6 / 255)
