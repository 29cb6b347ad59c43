"""The model that comes with the package: small, good on phantoms it has not seen, and looking at the lesion."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from xaijax import models
from xaijax.data import open_dataset
from xaijax.models._load import BUILTIN_FILE
from xaijax.training import classification_scores

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def known_truth():
    """The script that measures the network, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("known_truth", ROOT / "benchmarks" / "known_truth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def classifier():
    return models.builtin()


@pytest.fixture(scope="module")
def batch(classifier):
    """Phantoms of another seed than those it was trained on."""
    return open_dataset("phantoms", count=60, seed=0).read(shape=classifier.input_shape)


def test_it_is_small_and_says_how_it_was_made(classifier):
    assert BUILTIN_FILE.stat().st_size < 2_000_000
    info = models.read_info(BUILTIN_FILE)
    assert "--data-seed 1" in info["command"]
    page = (BUILTIN_FILE.parent / "README.md").read_text("utf-8")
    joined = " ".join(page.replace("\\\n", " ").split())
    for command in info["command"].split(" && "):
        assert command in joined
    assert classifier.classes == ("glioma", "meningioma", "pituitary")


def test_its_card_is_the_table_of_the_docs_and_says_what_it_was_trained_on(known_truth):
    info = models.read_info(BUILTIN_FILE)
    assert "the kinds of images that perturbation metrics produce" in info["trained_on"]
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    written = page.partition(known_truth.BEGIN)[2].partition(known_truth.END)[0].strip()
    assert written == known_truth.table(info["card"])
    assert "--interventions.counterfactual" in info["command"]


def test_it_follows_the_lesion_and_nothing_else(classifier, known_truth):
    """A small repetition of benchmarks/known_truth.py, whose bounds are in the card, on images of another seed."""
    found = known_truth.exchanged(classifier, 60, 77)
    assert found["lesion swapped"]["count"] >= 57
    assert found["all else swapped"]["count"] <= 3


def test_images_without_evidence_get_no_class(classifier, batch, known_truth):
    found = known_truth.without_evidence(classifier, batch, 78)
    few = {"lesion removed": 6, "lesion covered": 9}  # of 60; the card has the shares
    assert {name: one["count"] for name, one in found.items() if one["count"] > few.get(name, 3)} == {}
    assert not any(found[name]["count"] for name in ("black", "mean", "blurred, sigma 10 px"))


def test_it_tells_unseen_phantoms_apart(classifier, batch):
    assert classification_scores(classifier, batch.images, batch.labels)["macro_f1"] > 0.9


def test_its_evidence_is_the_lesion(classifier, batch):
    """Grad-CAM of the true class peaks within one cell of the 16x16 map from the lesion."""
    layer = classifier.default_layer

    @jax.jit
    def grad_cam(classifier, images, labels):
        def score(offsets):
            logits, activations = classifier.tapped(classifier.params, images, offsets)
            return jnp.take_along_axis(logits, labels[:, None], 1).sum(), activations

        gradients, activations = jax.grad(score, has_aux=True)(classifier.zero_offsets(images, [layer]))
        weights = gradients[layer].mean((1, 2), keepdims=True)
        return (weights * activations[layer]).sum(-1)

    maps = np.asarray(grad_cam(classifier, batch.images, batch.labels))
    hits = []
    for each, mask in zip(maps, batch.masks, strict=True):
        row, column = np.unravel_index(each.argmax(), each.shape)
        hits.append(binary_dilation(mask, iterations=8)[row * 8 + 4, column * 8 + 4])
    area = np.mean([binary_dilation(mask, iterations=8).mean() for mask in batch.masks])
    assert np.mean(hits) > 0.6 > 5 * area
