"""Against Quantus 0.6.0 as a black box: the arrays of tests/parity/quantus_peers.py, and where we differ on purpose."""

from pathlib import Path

import numpy as np
import pytest

from xaijax import kernels
from xaijax.metrics import evaluate

STORED = np.load(Path(__file__).parent / "data" / "quantus.npz")
METHODS = ("noise", "smooth", "signed")
STEP, PATCH, REGIONS, TOP = STORED["settings"].tolist()
MAPS = {method: STORED[f"map/{method}"] for method in METHODS}
MASKS = STORED["masks"]


class Linear:
    def predict(self, images):
        logits = np.asarray(images, np.float64).reshape(len(images), -1) @ STORED["weights"].astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def run(metrics, **settings):
    images, labels = STORED["images"], STORED["labels"]
    return evaluate(Linear(), images, labels, MAPS, MASKS, metrics, settings={"perturbation": settings})


def of(scores, method):
    return scores.select(method=method)


def test_pixel_flipping_has_its_curve_and_the_intact_image_before_it():
    steps = MASKS[0].size // STEP
    scores = run(["pixel_flipping"], flip_steps=steps)
    for method in METHODS:
        ours, theirs = np.stack(of(scores, method).responses.value), STORED[f"pixel_flipping/{method}"]
        np.testing.assert_allclose(ours[:, 1:], theirs, atol=1e-6)
        intact = Linear().predict(STORED["images"])[np.arange(3), STORED["labels"]]
        np.testing.assert_allclose(ours[:, 0], intact, atol=1e-6)
        # Its area leaves the intact image out and counts steps; ours is a mean over the share of pixels.
        area = STORED[f"pixel_flipping_auc/{method}"]
        np.testing.assert_allclose(np.trapezoid(ours[:, 1:], axis=1), area, atol=1e-5)
        np.testing.assert_allclose(of(scores, method).value, (area + ours[:, :2].mean(axis=1)) / steps, atol=1e-6)


def test_region_perturbation_has_its_curve_and_aopc_is_the_mean_over_it():
    """Where squares fill the image; elsewhere Quantus pads image and map on all sides, and ours cuts the last ones."""
    scores = run(["region_perturbation"], patch=PATCH, regions=REGIONS)
    for method in METHODS:
        ours = np.stack(of(scores, method).responses.value)
        falls = STORED[f"region_perturbation/{method}"]
        np.testing.assert_allclose(ours[:, :1] - ours[:, 1:], falls, atol=1e-6)
        np.testing.assert_allclose(of(scores, method).value, falls.sum(axis=1) / (REGIONS + 1), atol=1e-6)


@pytest.mark.parametrize("name", ["rank_accuracy", "roc_auc"])
def test_rank_accuracy_and_roc_auc(name):
    scores = run([name])
    for method in METHODS:
        if (name, method) == ("roc_auc", "signed"):
            # Ours counts negative values as 0; without that it is the same.
            ours = kernels.localization_scores(MAPS[method], MASKS, scores=[name], relu=False).values[name]
        else:
            ours = of(scores, method).value
        np.testing.assert_allclose(ours, STORED[f"{name}/{method}"], atol=1e-6, err_msg=method)


def test_mass_accuracy_of_positive_maps_and_why_not_of_signed_ones():
    scores = run(["mass_accuracy"])
    for method in ("noise", "smooth"):
        np.testing.assert_allclose(of(scores, method).value, STORED[f"mass_accuracy/{method}"], atol=1e-6)
    # Quantus adds up signed values: a share of a sum near 0, which leaves [0, 1]. Ours takes the positive part.
    theirs = STORED["mass_accuracy/signed"]
    values = MAPS["signed"]
    np.testing.assert_allclose((values * MASKS).sum((1, 2)) / values.sum((1, 2)), theirs, rtol=1e-4)
    assert (theirs < 0).any() or (theirs > 1).any()
    assert ((of(scores, "signed").value >= 0) & (of(scores, "signed").value <= 1)).all()


def test_top_k_intersection_is_top_precision():
    for method in METHODS:
        found = kernels.localization_scores(
            MAPS[method], MASKS, scores=["top_precision"], percent=100 * TOP / MASKS[0].size, relu=False
        )
        np.testing.assert_allclose(found.values["top_precision"], STORED[f"top_k/{method}"], atol=1e-6)


@pytest.mark.parametrize(("ours", "theirs"), [("sparseness", "sparseness"), ("entropy", "complexity")])
def test_gini_and_entropy(ours, theirs):
    scores = run([ours])
    for method in METHODS:
        np.testing.assert_allclose(of(scores, method).value, STORED[f"{theirs}/{method}"], atol=1e-6, err_msg=method)


def test_the_arrays_say_who_made_them():
    assert "quantus 0.6.0" in str(STORED["made_by"])
    assert "tests/parity/quantus_peers.py" in str(STORED["made_by"])
